package netem

import (
	"fmt"
	"strings"
)

// readQueue reads a queue: an object, or its bytes or packets alone.
func readQueue(v jsonValue) (Queue, error) {
	const what = `a whole number of bytes, a string such as "64kB" or "100 packets", or an object, such as {"packets": 100, "discipline": "codel"}`
	if v.isString() {
		return quantity(v, "queue", "64kB", parseQueue)
	}
	var q Queue
	if v.isNumber() {
		n, err := v.bytes(what)
		return Queue{Bytes: n}, err
	}
	_, err := v.object(what, q.invalid,
		jsonField{"bytes", into(&q.Bytes, readBytes)},
		jsonField{"packets", into(&q.Packets, readPackets)},
		jsonField{"countDelayed", into(&q.CountDelayed, readBool)},
		jsonField{"discipline", into(&q.Discipline, readDiscipline)},
	)
	return q, err
}

// parseQueue reads a queue that is so many bytes, or packets.
func parseQueue(s string) (Queue, error) {
	number, unit := splitUnit(s)
	if d, ok := disciplineOf(s); ok {
		return Queue{}, fmt.Errorf(`queue %.40q names a discipline: write {"discipline": %q}`, s, d)
	}
	switch unit {
	case "packet", "packets":
		packets, err := timesExactly(number, 1)
		if !isDecimal(number) || err != nil || int64(int(packets)) != packets {
			return Queue{}, fmt.Errorf(`queue %.40q cannot be used: it must be a whole number of packets, such as "100 packets"`, s)
		}
		return Queue{Packets: int(packets)}, nil
	case "", "B", "kB", "KB", "MB", "GB", "KiB", "MiB", "GiB":
		bytes, err := parseBytes(s)
		return Queue{Bytes: bytes}, err
	}
	if !isDecimal(strings.TrimPrefix(number, "-")) {
		return Queue{}, fmt.Errorf(`queue %.40q does not begin with a number: write it such as "64kB" or "100 packets"`, s)
	}
	return Queue{}, fmt.Errorf("queue %.40q has the unknown unit %.20q: it must be packets, B, kB, MB, GB, KiB, MiB or GiB", s, unit)
}

func readPackets(v jsonValue) (int, error) {
	n, err := v.number("a whole number of packets")
	if err == nil && int64(int(n)) != n {
		err = v.errorf("%d is too much: it must be at most %d packets", n, maxInt)
	}
	return int(n), err
}

func readBool(v jsonValue) (bool, error) {
	switch string(v.raw) {
	case "true", "false":
		return v.raw[0] == 't', nil
	}
	return false, v.mustBe("true or false")
}

func readDiscipline(v jsonValue) (Discipline, error) {
	const what = `"fifo", "codel" or "fq_codel"`
	name, err := v.text(what)
	if err != nil {
		return FIFO, err
	}
	if d, ok := disciplineOf(name); ok {
		return d, nil
	}
	return FIFO, v.errorf("there is no discipline %.40q: it must be %s", name, what)
}

// disciplineOf returns the discipline with a name, in any spelling, such as
// "FQ-CoDel", and whether there is one.
func disciplineOf(name string) (Discipline, bool) {
	spelling := strings.NewReplacer("_", "", "-", "", " ", "")
	for d := FIFO; d <= FQCoDel; d++ {
		if strings.EqualFold(spelling.Replace(d.String()), spelling.Replace(name)) {
			return d, true
		}
	}
	return FIFO, false
}

// jsonOfQueue returns the shortest text that stands for a queue.
func jsonOfQueue(q Queue) any {
	switch q {
	case Queue{}:
		return nil
	case Queue{Bytes: q.Bytes}:
		return q.Bytes
	case Queue{Packets: 1}:
		return "1 packet"
	case Queue{Packets: q.Packets}:
		return fmt.Sprintf("%d packets", q.Packets)
	}
	discipline := ""
	if q.Discipline != FIFO {
		discipline = q.Discipline.String()
	}
	return struct {
		Bytes        int    `json:"bytes,omitzero"`
		Packets      int    `json:"packets,omitzero"`
		CountDelayed bool   `json:"countDelayed,omitzero"`
		Discipline   string `json:"discipline,omitzero"`
	}{q.Bytes, q.Packets, q.CountDelayed, discipline}
}
