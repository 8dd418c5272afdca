package netem

// The names of the models of loss that an object may give. That of a loss
// without memory is a string.
const (
	gilbertElliott = "gilbert-elliott"
	markov         = "markov"
)

// readLoss reads how packets are lost: a percentage, or an object that names a
// model and its parameters as tc netem does.
func readLoss(v jsonValue) (Loss, error) {
	if v.isString() || v.isNumber() {
		random, err := readPercent(v)
		return Loss{Random: random}, err
	}
	var name jsonValue
	err := v.members(`a string, such as "1.5%", or an object, such as {"model": "gilbert-elliott", "p": "1%", "r": "10%"}`, func(m jsonMember) error {
		if m.name == "model" && name.raw == nil {
			name = m.value
			name.path = v.path + ".model"
		}
		return nil
	})
	switch {
	case err != nil:
		return Loss{}, err
	case name.raw == nil:
		return Loss{}, v.errorf(`there is no model: give one, such as {"model": "gilbert-elliott", "p": "1%%"}`)
	}
	const models = `"gilbert-elliott" or "markov"`
	switch model, err := name.text(models); {
	case err != nil:
		return Loss{}, err
	case model == gilbertElliott:
		return readGilbertElliott(v)
	case model == markov:
		return readMarkov(v)
	default:
		return Loss{}, name.errorf("there is no model %.40q: it must be %s", model, models)
	}
}

// readGilbertElliott reads the parameters of the model. What is left out is
// netem's default: r is 100% - p, 1-h is 100%, and 1-k is 0%.
func readGilbertElliott(v jsonValue) (Loss, error) {
	g := GilbertElliott{LossBad: 1}
	there, err := v.object("an object", nil,
		jsonField{"model", ignoreValue},
		jsonField{"p", into(&g.P, readPercent)},
		jsonField{"r", into(&g.R, readPercent)},
		jsonField{"1-h", into(&g.LossBad, readPercent)},
		jsonField{"1-k", into(&g.LossGood, readPercent)},
	)
	switch {
	case err != nil:
		return Loss{}, err
	case !there["p"]:
		return Loss{}, v.errorf(`there is no p: give one, such as {"model": "gilbert-elliott", "p": "1%%"}`)
	case !there["r"]:
		g.R = complement(g.P)
	}
	return Loss{GilbertElliott: g}, nil
}

// readMarkov reads the parameters of the model. What is left out is netem's
// default: p31 is 100% - p13, p32 is 0%, p23 is 100%, and p14 is 0%.
func readMarkov(v jsonValue) (Loss, error) {
	m := Markov{P23: 1}
	there, err := v.object("an object", nil,
		jsonField{"model", ignoreValue},
		jsonField{"p13", into(&m.P13, readPercent)},
		jsonField{"p31", into(&m.P31, readPercent)},
		jsonField{"p32", into(&m.P32, readPercent)},
		jsonField{"p23", into(&m.P23, readPercent)},
		jsonField{"p14", into(&m.P14, readPercent)},
	)
	switch {
	case err != nil:
		return Loss{}, err
	case !there["p13"]:
		return Loss{}, v.errorf(`there is no p13: give one, such as {"model": "markov", "p13": "1%%"}`)
	case !there["p31"]:
		m.P31 = complement(m.P13)
	}
	return Loss{Markov: m}, nil
}

// ignoreValue is for a field that has been read before.
func ignoreValue(jsonValue) error { return nil }
