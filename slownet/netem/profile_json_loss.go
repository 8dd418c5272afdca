package netem

import (
	"errors"
	"fmt"

	"github.com/slowpoetry/slowpoetry/internal/jsonvalue"
)

// The models of loss that an object may name. Missing parameters have netem's
// defaults.
const (
	gilbertElliott = "gilbert-elliott"
	markov         = "markov"
)

type gilbertElliottLoss struct {
	Model string `json:"model"`
	*GilbertElliott
}

type markovLoss struct {
	Model string `json:"model"`
	*Markov
}

// readLoss reads an object that names a model and its parameters as tc netem does.
func readLoss(v jsonvalue.Value, to *Loss) error {
	if err := v.MustBe('{', `a string, such as "1.5%", or an object, such as {"model": "gilbert-elliott", "p": "1%", "r": "10%"}`); err != nil {
		return err
	}
	var model string
	for name, value := range v.Fields() {
		if name.Text() == "model" {
			known := func(s string) (string, bool) { return s, s == gilbertElliott || s == markov }
			if err := readName(value, &model, "model", `"gilbert-elliott" or "markov"`, known); err != nil {
				return value.Locate(err)
			}
			break
		}
	}
	switch model {
	case gilbertElliott:
		g := &to.GilbertElliott
		g.LossBad = 1
		return readModel(v, &gilbertElliottLoss{model, g}, model, "p", &g.P, &g.R)
	case markov:
		m := &to.Markov
		m.P23 = 1
		return readModel(v, &markovLoss{model, m}, model, "p13", &m.P13, &m.P31)
	}
	return errors.New(`there is no model: give one, such as {"model": "gilbert-elliott", "p": "1%"}`)
}

// readModel reads the parameters of a model: one is required, and another
// defaults to 100% minus the first.
func readModel(v jsonvalue.Value, to any, model, needed string, p, rest *float64) error {
	*rest = -1
	err := readObject(v, to, objectRules{needed: needed, example: fmt.Sprintf(`{"model": %q, %q: "1%%"}`, model, needed)})
	if *rest < 0 {
		*rest = complement(*p)
	}
	return err
}
