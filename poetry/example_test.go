package poetry_test

import (
	"fmt"

	"github.com/slowpoetry/slowpoetry/poetry"
)

func ExamplePoem() {
	for _, name := range poetry.Names() {
		poem, _ := poetry.Poem(name)
		fmt.Println(name, len(poem), "bytes")
	}
	_, ok := poetry.Poem("prose")
	fmt.Println("prose:", ok)
	// Output:
	// ecstasy 3003 bytes
	// fascination 623 bytes
	// science 653 bytes
	// prose: false
}
