// Package cookbook has the code of docs/cookbook.md. Its tests are the recipes.
package cookbook
