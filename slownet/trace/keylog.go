package trace

import (
	"encoding/json"
	"fmt"
	"strings"
)

// keyLogLine is a line of a key log as stored in a file.
type keyLogLine struct {
	KeyLog string `json:"keylog"`
}

// KeyLog adds a line of a TLS key log, as crypto/tls writes it to
// [crypto/tls.Config.KeyLogWriter]. With it, a capture of the trace can be decrypted:
// anyone who has the file can read what the connection carried. A newline at the end is
// optional. Digests and the number of events leave key logs out.
func (t *Writer) KeyLog(line string) error {
	if t.err != nil {
		return t.err
	}
	line = strings.TrimRight(line, "\r\n")
	if strings.ContainsAny(line, "\r\n") {
		return fmt.Errorf("trace: %q contains several lines of a key log: write them one by one", line)
	}
	text, err := json.Marshal(keyLogLine{line})
	if err != nil {
		return fmt.Errorf("trace: %w", err) // no known line causes this
	}
	t.write(append(text, '\n'))
	return t.err
}

// KeyLog returns the lines of the TLS key log that were read so far, each with a newline,
// or nil if there were none. They are kept in memory, at most 64 MiB.
func (t *Reader) KeyLog() []byte { return t.keyLog }

func (t *Reader) addKeyLog(line string) error {
	if strings.ContainsAny(line, "\r\n") {
		return fmt.Errorf("\"keylog\" is %q: it must be one line", line)
	}
	if len(t.keyLog)+len(line)+1 > maxKeyLog {
		return fmt.Errorf("the key log is longer than %d bytes", maxKeyLog)
	}
	t.keyLog = append(append(t.keyLog, line...), '\n')
	return nil
}
