// Package cookbook contains the code of docs/cookbook.md: each test is a recipe.
package cookbook
