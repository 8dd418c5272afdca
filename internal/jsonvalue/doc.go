// Package jsonvalue reads JSON without losing the place of any value, for errors that give
// the line and the path, such as "line 3: down.rate".
//
// [Parse] checks the whole text. A [Value] refers to the text, so values of any depth cost
// no memory. Lines and paths are computed when they are asked for, by a scan from the
// beginning of the text: ask only for those of errors.
package jsonvalue
