package slownet

import "io"

// copyChunk is the number of bytes that io.Copy moves directly, past a link without
// limits, before it checks whether the link has limits now.
const copyChunk = 4 << 20

// WriteTo reads to the end of the stream and writes to w. While the link for reading
// has no limits, it copies directly from the inner connection, so that the operating
// system can do the copying: on Linux with splice, between TCP sockets.
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

// ReadFrom reads r to its end and writes to the connection. While the link for writing
// has no limits, it copies directly to the inner connection, so that the operating
// system can do the copying: on Linux with splice from TCP sockets, and sendfile from
// files.
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

// upTo limits a reader, unless it is limited to less already: the net package uses
// splice and sendfile through one io.LimitedReader, not through two.
func upTo(n int64, r io.Reader) *io.LimitedReader {
	if limited, ok := r.(*io.LimitedReader); ok && limited.N <= n {
		return limited
	}
	return &io.LimitedReader{R: r, N: n}
}

// onlyReader and onlyWriter hide ReadFrom and WriteTo from io.Copy.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
