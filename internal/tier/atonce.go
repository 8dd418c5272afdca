package tier

import (
	"flag"
	"runtime"
	"strconv"
)

// AtOnce lets the given number of parallel tests run at once even with fewer
// processors, unless -parallel is given. It is for packages whose parallel tests
// mostly wait, for real time or for other processes. TestMain calls it.
func AtOnce(tests int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(max(tests, runtime.GOMAXPROCS(0))))
	}
}
