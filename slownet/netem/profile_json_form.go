package netem

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// The parts of a profile are written by appendJSON and read by readJSON. The
// tags of structs describe the objects: the fields' names, and omitzero for the
// fields that are not written when they are zero.

// appendJSON writes the value that a pointer points to, in its shortest form.
func appendJSON(b []byte, from any) []byte {
	switch from := from.(type) {
	case *string:
		return appendString(b, *from)
	case *bool:
		return strconv.AppendBool(b, *from)
	case *int:
		return strconv.AppendInt(b, int64(*from), 10)
	case *packetCount:
		return strconv.AppendInt(b, int64(*from), 10)
	case *float64:
		return strconv.AppendQuote(b, formatPercent(*from))
	case *Jitter:
		if *from == (Jitter{Deviation: from.Deviation}) {
			return appendJSON(b, &from.Deviation)
		}
	case **Distribution:
		if (*from).name == tableName {
			return appendNumbers(b, (*from).table())
		}
		return strconv.AppendQuote(b, (*from).name)
	case **Replay:
		return appendNumbers(b, (*from).milliseconds())
	case *Queue:
		switch *from {
		case Queue{Bytes: from.Bytes}:
			return appendJSON(b, &from.Bytes)
		case Queue{Packets: from.Packets}:
			return strconv.AppendQuote(b, formatPackets(from.Packets))
		}
	case *Chance:
		if *from == (Chance{Probability: from.Probability}) {
			return appendJSON(b, &from.Probability)
		}
	case *Loss:
		switch {
		case from.GilbertElliott != GilbertElliott{}:
			return appendObject(b, &gilbertElliottLoss{gilbertElliott, &from.GilbertElliott})
		case from.Markov != Markov{}:
			return appendObject(b, &markovLoss{markov, &from.Markov})
		}
		return appendJSON(b, &from.Random)
	case fmt.Stringer: // a duration, a rate or a discipline
		return strconv.AppendQuote(b, from.String())
	}
	return appendObject(b, from)
}

// readJSON reads a value into the target of a pointer, in any of its forms. The
// error does not give the place of the value itself, only the place of an
// invalid part of it.
func readJSON(v jsonvalue.Value, to any) error {
	simple := v.Kind() == '"' || v.Kind() == '0'
	switch to := to.(type) {
	case *string:
		*to = v.Text()
		return v.MustBe('"', "a string")
	case *bool:
		if *to = v.Kind() == 't'; *to {
			return nil
		}
		return v.MustBe('f', "true or false")
	case *int:
		if v.Kind() == '"' {
			return readQuantity(v, to, "size", "64kB", parseBytes)
		}
		return readInt(v, to, `a whole number of bytes, or a string such as "64kB"`)
	case *packetCount:
		return readInt(v, (*int)(to), "a whole number of packets")
	case *float64:
		return readQuantity(v, to, "percentage", "1.5%", parsePercent)
	case *time.Duration:
		return readQuantity(v, to, "duration", "40ms", parseDuration)
	case *Rate:
		return readQuantity(v, to, "rate", "250kbit/s", parseRate)
	case *Profile:
		return readObject(v, to, objectRules{what: `an object, such as {"name": "my/slow", "down": {"latency": "40ms"}}`, invalid: to.invalidLookup})
	case *Link:
		err := readObject(v, to, objectRules{what: `an object, such as {"latency": "40ms", "rate": "250kbit/s"}`, invalid: func() error {
			partial := *to
			partial.DropOversize = to.DropOversize && to.MTU > 0 // the MTU may come after dropOversize
			return partial.invalid()
		}})
		return cmp.Or(err, to.invalid())
	case *Jitter:
		if simple {
			return readJSON(v, &to.Deviation)
		}
		return readObject(v, to, objectRules{what: `a string, such as "10ms", or an object, such as {"deviation": "10ms", "distribution": "normal"}`,
			needed: "deviation", example: `{"deviation": "10ms"}`})
	case **Distribution:
		if v.Kind() == '[' {
			return readTable(v, to)
		}
		return readName(v, to, "distribution", `"uniform", "normal", "pareto", "paretonormal" or an array of whole numbers`, distributionNamed)
	case **Replay:
		return readReplay(v, to)
	case *Pace:
		return readObject(v, to, objectRules{what: `an object, such as {"bytes": 10, "wait": "100ms"}`, invalid: to.invalid})
	case *Queue:
		const what = `a whole number of bytes, a string such as "64kB" or "100 packets", or an object, such as {"packets": 100, "discipline": "codel"}`
		switch v.Kind() {
		case '0':
			return readInt(v, &to.Bytes, what)
		case '"':
			return readQuantity(v, to, "queue", "64kB", parseQueue)
		}
		return readObject(v, to, objectRules{what: what, invalid: to.invalid})
	case *Discipline:
		return readName(v, to, "discipline", `"fifo", "codel" or "fq_codel"`, disciplineNamed)
	case *Chance:
		if simple {
			return readJSON(v, &to.Probability)
		}
		return readObject(v, to, objectRules{what: `a string, such as "2%", or an object, such as {"probability": "2%", "correlation": "25%"}`,
			needed: "probability", example: `{"probability": "2%"}`})
	case *Loss:
		if simple {
			return readJSON(v, &to.Random)
		}
		return readLoss(v, to)
	}
	panic(fmt.Sprintf("netem: %T has no form in JSON", to))
}
