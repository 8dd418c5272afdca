// Package tutorial has the code of the tutorial's pages, which begin at README.md in this
// folder. Its tests run what the pages show; DOCS_UPDATE=1 writes their code blocks and
// outputs anew.
package tutorial
