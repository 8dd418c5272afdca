// Package poetry contains three poems in the public domain, embedded in the program.
//
// Each is plain ASCII with a newline at the end of every line, and begins with its title
// and author:
//
//	ecstasy.txt      John Donne, The Ecstasy                                     3003 bytes
//	fascination.txt  William Butler Yeats, The Fascination of What's Difficult    623 bytes
//	science.txt      Edgar Allan Poe, Sonnet - To Science                         653 bytes
//
// The sizes are part of the package's contract: the experiment in which a
// blocking client needs 23 seconds and an asynchronous one 10 depends on them.
package poetry

import "embed"

// FS contains the poems as files in its root: ecstasy.txt, fascination.txt and
// science.txt.
//
//go:embed ecstasy.txt fascination.txt science.txt
var FS embed.FS

// Names returns the sorted names that [Poem] accepts.
func Names() []string { return []string{"ecstasy", "fascination", "science"} }

// Poem returns the embedded poem with the given name, with or without ".txt",
// and whether there is one. The caller may keep and change the bytes.
func Poem(name string) (poem []byte, ok bool) {
	for _, known := range Names() {
		if name == known || name == known+".txt" {
			poem, err := FS.ReadFile(known + ".txt")
			return poem, err == nil
		}
	}
	return nil, false
}
