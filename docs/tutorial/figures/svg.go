package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// style has two sets of shades. Tasks are told apart by their numbers and patterns, so
// that nothing depends on colour.
const style = `<style>
.ground{fill:#fff}
.line{stroke:#1f2328;fill:none;stroke-width:1.5}
.box{stroke:#1f2328;stroke-width:1.5}
.plate{fill:#fff}
.mark{stroke:#1f2328;fill:none;stroke-width:1}
.arrow{fill:#1f2328}
text{fill:#1f2328;font:14px "Helvetica Neue",Arial,"Noto Sans CJK JP","Hiragino Sans",sans-serif;text-anchor:middle}
text.left{text-anchor:start}
@media (prefers-color-scheme:dark){
.ground,.plate{fill:#0d1117}
.line,.box,.mark{stroke:#e6edf3}
.arrow,text{fill:#e6edf3}
}
</style>
<defs>
<pattern id="task1" width="8" height="8" patternUnits="userSpaceOnUse"><path class="mark" d="M0,8L8,0M-2,2L2,-2M6,10L10,6"/></pattern>
<pattern id="task2" width="8" height="8" patternUnits="userSpaceOnUse"><circle class="arrow" cx="4" cy="4" r="1.2"/></pattern>
<pattern id="task3" width="8" height="8" patternUnits="userSpaceOnUse"><path class="mark" d="M0,4L8,4"/></pattern>
<pattern id="blocked" width="6" height="6" patternUnits="userSpaceOnUse"><path class="mark" d="M3,0L3,6" stroke-dasharray="1 5"/></pattern>
</defs>
`

// A canvas is a picture that is being drawn.
type canvas struct {
	strings.Builder
}

// newCanvas begins a picture of a width of 720.
func newCanvas(height int, title, description string) *canvas {
	c := new(canvas)
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" width="720" height="%d" role="img" aria-labelledby="title description">`+"\n", height, height)
	fmt.Fprintf(c, "<title id=\"title\">%s</title>\n<desc id=\"description\">%s</desc>\n%s", escape(title), escape(description), style)
	fmt.Fprintf(c, `<rect class="ground" width="720" height="%d"/>`+"\n", height)
	return c
}

func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return []byte(c.String())
}

// box draws a rectangle with a pattern, "" for none.
func (c *canvas) box(x, y, width, height float64, pattern string) {
	fill := "none"
	if pattern != "" {
		fill = "url(#" + pattern + ")"
	}
	fmt.Fprintf(c, `<rect class="box" x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, width, height, fill)
}

// label writes a text in the middle of a plate, for it to be readable on a pattern.
func (c *canvas) label(x, y float64, text string) {
	width := 6.0
	for _, r := range text {
		if r > 0x2000 {
			width += 14
		} else {
			width += 7
		}
	}
	fmt.Fprintf(c, `<rect class="plate" x="%.1f" y="%.1f" width="%.1f" height="18"/>`+"\n", x-width/2, y-13, width)
	c.text(x, y, text)
}

func (c *canvas) text(x, y float64, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x, y, escape(text))
}

func (c *canvas) textLeft(x, y float64, text string) {
	fmt.Fprintf(c, `<text class="left" x="%.1f" y="%.1f">%s</text>`+"\n", x, y, escape(text))
}

// path draws a line, with an arrowhead at the point where the last segment ends if the
// direction, in degrees, is not negative.
func (c *canvas) path(d string, x, y, direction float64) {
	fmt.Fprintf(c, `<path class="line" d="%s"/>`+"\n", d)
	if direction >= 0 {
		fmt.Fprintf(c, `<path class="arrow" d="M0,0L-10,-5L-10,5Z" transform="translate(%.1f,%.1f) rotate(%.0f)"/>`+"\n", x, y, direction)
	}
}

func escape(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a strings.Builder takes everything
	return out.String()
}
