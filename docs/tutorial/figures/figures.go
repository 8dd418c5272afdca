package main

import (
	"fmt"
	"time"
)

// words are what the figures say, in one language.
type words struct {
	suffix                         string // of the files
	task, took, client             string // formats: number; bytes, seconds
	title1, title3, title4, title5 string
	about1, about3, about4, about5 string
	waits, blocked                 string
	wait, handle, more             string
	counts                         string // format: turns, pieces, ends
}

var languages = []words{{
	suffix: ".svg",
	task:   "Task %d", took: "%d bytes, %.1f s", client: "client",
	title1: "Figure 1: one task after another", about1: "The blocking client: three tasks, each begun when the one before has ended.",
	title3: "Figure 3: tasks interleaved", about3: "The asynchronous client: pieces of three tasks in turn, with short waits between.",
	title4: "Figure 4: one task, and mostly blocked", about4: "The blocking client in the same time: pieces of one task, and between them it is blocked.",
	title5: "Figure 5: the reactor loop", about5: "A loop of two steps: wait for events, handle them.",
	waits: "waits for any of them", blocked: "blocked in Read",
	wait: "wait until a socket can be read", handle: "read what is there, without blocking", more: "until all sockets are closed",
	counts: "this run: %d turns for %d pieces and %d ends",
}, {
	suffix: ".ja.svg",
	task:   "タスク %d", took: "%d バイト、%.1f 秒", client: "クライアント",
	title1: "図 1：タスクをひとつずつ順番に", about1: "ブロッキングクライアント。三つのタスクがあり、前のタスクが終わってから次が始まる。",
	title3: "図 3：入り交じるタスク", about3: "非同期クライアント。三つのタスクの断片が交互に処理され、その間の待ちは短い。",
	title4: "図 4：ひとつのタスクと、大半を占めるブロック", about4: "同じ時間のブロッキングクライアント。ひとつのタスクの断片だけを処理し、その間はブロックしている。",
	title5: "図 5：reactor のループ", about5: "ふたつのステップからなるループ。イベントを待ち、処理する。",
	waits: "どれかを待つ", blocked: "Read の中でブロック",
	wait: "どれかのソケットが読めるまで待つ", handle: "今あるだけ読む。ブロックしない", more: "全部のソケットが閉じるまで",
	counts: "この実行では %d 周：断片 %d 個と終わり %d 個",
}}

// A picture is a figure in one language.
type picture struct {
	name string // of its file
	svg  []byte
}

// figures draws all figures in all languages.
func figures(blocking, async []task) (pictures []picture) {
	for _, w := range languages {
		pictures = append(pictures,
			picture{"figure1" + w.suffix, figure1(w, blocking)},
			picture{"figure3" + w.suffix, closeUp(w, w.title3, w.about3, w.waits, "", async)},
			picture{"figure4" + w.suffix, closeUp(w, w.title4, w.about4, w.blocked, "blocked", blocking)},
			picture{"figure5" + w.suffix, figure5(w, async)})
	}
	return pictures
}

// The time axis of figures 1, 3 and 4.
const (
	left, right = 30.0, 690.0
	top         = 50.0
)

// axis draws the time from 0 to span, with a mark every step.
func (c *canvas) axis(y float64, span, step time.Duration) {
	c.path(fmt.Sprintf("M%.1f,%.1fH%.1f", left, y, right+20), right+20, y, 0)
	for at := time.Duration(0); at <= span; at += step {
		x := place(at, span)
		c.path(fmt.Sprintf("M%.1f,%.1fv6", x, y), 0, 0, -1)
		c.text(x, y+22, fmt.Sprintf("%g s", at.Seconds()))
	}
}

// place returns where a time is on the axis.
func place(at, span time.Duration) float64 {
	return left + (right-left)*float64(at)/float64(span)
}

// figure1 shows the whole of a run, task by task.
func figure1(w words, tasks []task) []byte {
	c := newCanvas(170, w.title1, w.about1)
	c.textLeft(left, 28, w.title1)
	span := last(tasks)
	for _, t := range tasks {
		from, to := place(t.begin, span), place(t.end, span)
		c.box(from, top, to-from, 60, fmt.Sprint("task", t.number))
		c.label((from+to)/2, top+27, fmt.Sprintf(w.task, t.number))
		c.label((from+to)/2, top+47, fmt.Sprintf(w.took, t.bytes, (t.end-t.begin).Seconds()))
	}
	c.axis(top+75, span, 5*time.Second)
	return c.end()
}

// closeUp shows the beginning of a run: what the client does, and where it waits.
func closeUp(w words, title, about, waits, pattern string, tasks []task) []byte {
	const span = 300 * time.Millisecond
	const width = 22.0 // of a piece: in the run it takes no time
	c := newCanvas(170, title, about)
	c.textLeft(left, 28, title)
	free := left // where the client has nothing to do
	wait := func(to float64) {
		c.box(free, top, to-free, 50, pattern)
		c.label((free+to)/2, top+30, waits)
	}
	for at := time.Duration(0); at < span; {
		next := span
		x := place(at, span)
		if x > free {
			wait(x)
		}
		free = x
		for _, t := range tasks {
			for _, piece := range t.pieces {
				if piece == at {
					c.box(free, top, width, 50, fmt.Sprint("task", t.number))
					c.label(free+width/2, top+30, fmt.Sprint(t.number))
					free += width
				} else if piece > at {
					next = min(next, piece)
				}
			}
		}
		at = next
	}
	wait(right)
	c.axis(top+75, span, 100*time.Millisecond)
	return c.end()
}

// figure5 shows the loop, and how often it turned.
func figure5(w words, tasks []task) []byte {
	c := newCanvas(300, w.title5, w.about5)
	c.textLeft(left, 28, w.title5)
	c.box(220, 55, 280, 50, "")
	c.text(360, 85, w.wait)
	c.box(220, 185, 280, 50, "")
	c.text(360, 215, w.handle)
	c.path("M500,80C590,80 590,210 504,210", 502, 210, 180)
	c.path("M220,210C130,210 130,80 216,80", 218, 80, 0)
	c.text(360, 150, w.more)
	pieces := 0
	for _, t := range tasks {
		pieces += len(t.pieces)
	}
	c.text(360, 275, fmt.Sprintf(w.counts, turns(tasks), pieces, len(tasks)))
	return c.end()
}
