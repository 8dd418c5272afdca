package slownet

import "io"

// copyChunk is how much io.Copy moves at a time past links without limits, at
// the end of which it looks whether they still are.
const copyChunk = 4 << 20

// WriteTo copies what is read to w, until its end. While the link for what is
// read has no limits, it is the inner connection that is copied from, so that
// the operating system may do it by itself: splice, between TCP sockets on
// Linux.
func (c *Conn) WriteTo(w io.Writer) (written int64, err error) {
	h := &c.in.half
	for to, ok := w.(io.ReaderFrom); ok && h.enter(); {
		n, err := to.ReadFrom(&io.LimitedReader{R: c.inner, N: copyChunk})
		written += n
		if err, out := h.exit(err); err != nil || n < copyChunk && !out {
			return written, c.opError("read", err)
		}
	}
	n, err := io.Copy(w, onlyReader{c})
	return written + n, err
}

// ReadFrom writes what is read from r, until its end. While the link for what
// is written has no limits, it is the inner connection that is copied to, so
// that the operating system may do it by itself: splice, from TCP sockets on
// Linux, and sendfile, from files.
func (c *Conn) ReadFrom(r io.Reader) (read int64, err error) {
	h := &c.out.half
	h.copies.Add(1)
	for to, ok := c.inner.(io.ReaderFrom); ok && h.enter(); {
		h.beginCopying()
		part := upTo(copyChunk, r)
		asked := part.N
		n, err := to.ReadFrom(part)
		read += n
		h.copying.Add(-1)
		if err, out := h.exit(err); err != nil || (n < asked || asked == 0) && !out {
			h.copies.Add(-1)
			return read, c.opError("write", err)
		}
	}
	h.copies.Add(-1)
	n, err := io.Copy(onlyWriter{c}, r)
	return read + n, err
}

// upTo limits a reader, unless it is limited to less already: the operating
// system's fast ways are open to one limit, and not to two.
func upTo(n int64, r io.Reader) *io.LimitedReader {
	if limited, ok := r.(*io.LimitedReader); ok && limited.N <= n {
		return limited
	}
	return &io.LimitedReader{R: r, N: n}
}

// onlyReader and onlyWriter hide the fast ways from io.Copy.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
