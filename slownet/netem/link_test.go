package netem

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLinkIsZero(t *testing.T) {
	assert.True(t, Link{}.IsZero())
	for _, link := range []Link{
		{Latency: 1}, {Jitter: Jitter{Deviation: 1}}, {Rate: 1}, {Replay: replayOf(1)}, {Bottleneck: NewBottleneck(0)},
		{Pace: Pace{Bytes: 1}}, {Queue: Queue{Bytes: 1}}, {MTU: 1}, {Loss: Loss{Random: 1}}, {Duplicate: Chance{Probability: 1}},
		{Corrupt: Chance{Probability: 1}}, {Reorder: Chance{Correlation: 1}},
	} {
		assert.False(t, link.IsZero(), "%+v", link)
	}
}

func TestLinkValidate(t *testing.T) {
	for _, link := range []Link{
		{},
		{Latency: 1, Rate: 1, Pace: Pace{1, 1}, Queue: Queue{Bytes: 1}, MTU: 1},
		{Latency: math.MaxInt64, Rate: math.MaxInt64, Pace: Pace{math.MaxInt, math.MaxInt64}, Queue: Queue{Bytes: math.MaxInt}, MTU: math.MaxInt},
		{Jitter: Jitter{Deviation: maxDeviation, Distribution: Pareto, Correlation: 1}},
		{Loss: Loss{Random: 1}},
		{Loss: Loss{GilbertElliott: GilbertElliott{1, 1, 1, 1}}},
		{Loss: Loss{Markov: Markov{P13: 0.3, P14: 0.7, P31: 0.9, P32: 0.1, P23: 1}}},
		{Duplicate: Chance{1, 1}, Corrupt: Chance{1, 1}, Reorder: Chance{1, 1}},
		{Bottleneck: NewBottleneck(0)},
		{Replay: replayOf(1)},
	} {
		assert.NoError(t, link.Validate(), "%+v", link)
	}

	const share = ": it must be between 0 and 1 (1.5% is 0.015)"
	nan, infinite := math.NaN(), math.Inf(1)
	replay, bottleneck := replayOf(1), NewBottleneck(0)
	for want, link := range map[string]Link{
		"Latency is -1s: it must be 0 or more":                                                            {Latency: -time.Second},
		"Rate is -8kbit/s: it must be 0 (no limit) or more":                                               {Rate: -8 * Kbps},
		"Pace.Bytes is -1: it must be 0 (no limit) or more":                                               {Pace: Pace{Bytes: -1}},
		"Pace.Wait is -1ns: it must be 0 or more":                                                         {Pace: Pace{Wait: -1}},
		"Queue.Bytes is -1: it must be 0 (the default) or more":                                           {Queue: Queue{Bytes: -1}},
		"DropOversize is set and MTU is 0: set MTU to the size of the largest packet that is not dropped": {DropOversize: true},
		"Queue.Packets is -1: it must be 0 (the default) or more":                                         {Queue: Queue{Packets: -1}},
		"Queue.Discipline is 3: it must be FIFO, CoDel or FQCoDel":                                        {Queue: Queue{Discipline: 3}},
		"Queue.Discipline is -1: it must be FIFO, CoDel or FQCoDel":                                       {Queue: Queue{Discipline: -1}},
		"MTU is -1500: it must be 0 (the default) or more bytes":                                          {MTU: -1500},

		"Rate is 1Mbit/s and there is a Replay: only one of them can say how much passes":     {Rate: Mbps, Replay: replay},
		"Rate is 1Mbit/s and there is a Bottleneck: only one of them can say how much passes": {Rate: Mbps, Bottleneck: bottleneck},
		"there are a Replay and a Bottleneck: only one of them can say how much passes":       {Replay: replay, Bottleneck: bottleneck},

		"Jitter.Deviation is -1ms: it must be between 0 (none) and 320255h58m24.606846975s":                    {Jitter: Jitter{Deviation: -ms}},
		"Jitter.Deviation is 320255h58m24.606846976s: it must be between 0 (none) and 320255h58m24.606846975s": {Jitter: Jitter{Deviation: maxDeviation + 1}},
		"Jitter.Deviation is 0: it must be more, or the rest of Jitter must be zero too":                       {Jitter: Jitter{Distribution: Normal}},
		"Jitter.Correlation is 1.01" + share:                                                                   {Jitter: Jitter{Deviation: 1, Correlation: 1.01}},
		"Jitter.Correlation is NaN" + share:                                                                    {Jitter: Jitter{Deviation: 1, Correlation: nan}},

		"Loss.Random is 1.5" + share:                          {Loss: Loss{Random: 1.5}},
		"Loss.Random is -0.1" + share:                         {Loss: Loss{Random: -0.1}},
		"Loss.Random is NaN" + share:                          {Loss: Loss{Random: nan}},
		"Loss.Random is +Inf" + share:                         {Loss: Loss{Random: infinite}},
		"Loss.Random is -Inf" + share:                         {Loss: Loss{Random: -infinite}},
		"Loss.GilbertElliott.P is 2" + share:                  {Loss: Loss{GilbertElliott: GilbertElliott{P: 2}}},
		"Loss.GilbertElliott.R is NaN" + share:                {Loss: Loss{GilbertElliott: GilbertElliott{R: nan}}},
		"Loss.GilbertElliott.LossBad is 1.001" + share:        {Loss: Loss{GilbertElliott: GilbertElliott{LossBad: 1.001}}},
		"Loss.GilbertElliott.LossGood is -1e-09" + share:      {Loss: Loss{GilbertElliott: GilbertElliott{LossGood: -1e-9}}},
		"Loss.Markov.P13 is -1" + share:                       {Loss: Loss{Markov: Markov{P13: -1}}},
		"Loss.Markov.P31 is 2" + share:                        {Loss: Loss{Markov: Markov{P31: 2}}},
		"Loss.Markov.P32 is NaN" + share:                      {Loss: Loss{Markov: Markov{P32: nan}}},
		"Loss.Markov.P23 is +Inf" + share:                     {Loss: Loss{Markov: Markov{P23: infinite}}},
		"Loss.Markov.P14 is 3" + share:                        {Loss: Loss{Markov: Markov{P14: 3}}},
		"Loss.Markov.P13 + P14 is 1.25: it must be at most 1": {Loss: Loss{Markov: Markov{P13: 0.75, P14: 0.5}}},
		"Loss.Markov.P31 + P32 is 1.5: it must be at most 1":  {Loss: Loss{Markov: Markov{P31: 0.5, P32: 1}}},
		"Loss has 2 models: only one of Random, GilbertElliott and Markov can be set": {
			Loss: Loss{Random: 0.1, GilbertElliott: GilbertElliott{P: 0.1}}},
		"Loss has 3 models: only one of Random, GilbertElliott and Markov can be set": {
			Loss: Loss{Random: 0.1, GilbertElliott: GilbertElliott{P: 0.1}, Markov: Markov{P14: 0.1}}},

		"Duplicate.Probability is 1.5" + share: {Duplicate: Chance{Probability: 1.5}},
		"Duplicate.Correlation is -1" + share:  {Duplicate: Chance{Correlation: -1}},
		"Corrupt.Probability is NaN" + share:   {Corrupt: Chance{Probability: nan}},
		"Corrupt.Correlation is 2" + share:     {Corrupt: Chance{Correlation: 2}},
		"Reorder.Probability is -Inf" + share:  {Reorder: Chance{Probability: -infinite}},
		"Reorder.Correlation is NaN" + share:   {Reorder: Chance{Correlation: nan}},
	} {
		want = "netem: " + want
		assert.EqualError(t, link.Validate(), want)
		assert.PanicsWithValue(t, want, func() { NewFlow(link, 0) })
		assert.PanicsWithValue(t, want, func() { NewFlow(Link{}, 0).SetLink(link) })
		assert.PanicsWithValue(t, want, func() { NewPacketFlow(link, 0) })
		assert.PanicsWithValue(t, want, func() { NewPacketFlow(Link{}, 0).SetLink(link) })
	}
}

func TestRateString(t *testing.T) {
	for want, rate := range map[string]Rate{
		"0bit/s": 0, "56kbit/s": 56 * Kbps, "1Mbit/s": Mbps, "10Gbit/s": 10 * Gbps, "1500kbit/s": 1500 * Kbps, "999bit/s": 999,
	} {
		assert.Equal(t, want, rate.String())
	}
}
