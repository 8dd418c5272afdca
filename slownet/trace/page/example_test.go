package page_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet/trace"
	"github.com/slowpoetry/slowpoetry/slownet/trace/page"
)

// A page of a trace file.
func ExampleWriteHTML() {
	folder, err := os.MkdirTemp("", "page")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "run.trace.gz")
	writer, err := trace.Create(file, trace.Header{Source: "simtest"})
	if err != nil {
		log.Fatal(err)
	}
	conn := trace.Conn{Host: "reader", Network: "tcp", Number: 1}
	if err := writer.Write(&trace.Event{At: time.Second, Kind: trace.Data, From: "poet", To: "reader", Conn: conn, Length: 10}); err != nil {
		log.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}

	reader, err := trace.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	var html bytes.Buffer
	if err := page.WriteHTML(&html, page.Options{Title: "An election"}, page.Run{Title: "seed 42", Events: reader.All()}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(html.Bytes(), []byte("<title>An election</title>")))
	// Output: true
}
