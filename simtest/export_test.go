package simtest

// SetMaxAtOnce changes how much may happen at one instant, until the function
// that it returns is called.
func SetMaxAtOnce(n int) (restore func()) {
	old := maxAtOnce
	maxAtOnce = n
	return func() { maxAtOnce = old }
}
