package plural_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/slowpoetry/slowpoetry/internal/plural"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOf(t *testing.T) {
	assert.Equal(t, "0 bytes", plural.Of(0, "byte"))
	assert.Equal(t, "1 byte", plural.Of(1, "byte"))
	assert.Equal(t, "2 poems", plural.Of(int64(2), "poem"))
}
