// Package spelling measures how close a misspelled name is to other names.
package spelling

import "strings"

// Edit is the distance of two names that differ in one letter.
const Edit = 1000

// Distance returns Edit times the number of letters that must be deleted,
// inserted or changed to turn one name into the other (their Levenshtein
// distance), plus one for each letter that differs in case.
func Distance(a, b string) int {
	to := []rune(b)
	row := make([]int, len(to)+1) // distances from the part of a so far to each beginning of b
	for j := range row {
		row[j] = j * Edit
	}
	for _, x := range a {
		diagonal := row[0]
		row[0] += Edit
		for j, y := range to {
			change := Edit
			switch {
			case x == y:
				change = 0
			case strings.EqualFold(string(x), string(y)):
				change = 1
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+change, row[j]+Edit, row[j+1]+Edit)
		}
	}
	return row[len(to)]
}
