package netem_test

import (
	"fmt"
	"log"
	"time"

	"github.com/slowpoetry/slowpoetry/slownet"
	"github.com/slowpoetry/slowpoetry/slownet/netem"
)

func ExampleProfileByName() {
	profile, err := netem.ProfileByName("webpagetest/3g")
	if err != nil {
		log.Fatal(err)
	}
	// For slownet.NewListener, at the server's end:
	config := slownet.ServerConfig(profile)
	fmt.Println("to the client:", config.Write.Rate, config.Write.Latency)
	fmt.Println("from the client:", config.Read.Rate, config.Read.Latency)

	// Any spelling works, including that of DevTools.
	profile, err = netem.ProfileByName("Fast 3G")
	fmt.Println(profile.Name, err)

	_, err = netem.ProfileByName("edge")
	fmt.Println(err)
	// Output:
	// to the client: 1600kbit/s 150ms
	// from the client: 768kbit/s 150ms
	// chrome/slow-4g <nil>
	// netem: profile "edge": is it webpagetest/edge, apple/edge or comcast/edge?
}

func ExampleParseProfile() {
	profile, err := netem.ParseProfile([]byte(`{
		"name": "my/slow",
		"source": "measured at home",
		"down": {"latency": "40ms", "rate": "250kbit/s", "loss": "1.5%"},
		"up":   {"latency": "40ms", "rate": "100kbit/s", "jitter": {"deviation": "10ms", "distribution": "normal"}},
		"lookup": "3s"
	}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(profile.Name, profile.Down.Rate, profile.Down.Loss.Random, profile.Up.Jitter.Distribution, profile.Lookup == 3*time.Second)

	_, err = netem.ParseProfile([]byte(`{
		"name": "my/slow",
		"down": {"latency": "40ms", "rate": "250"}
	}`))
	fmt.Println(err)
	// Output:
	// my/slow 250kbit/s 0.015 normal true
	// netem: profile, line 3: down.rate: rate "250" has no unit: write it like "250kbit/s"
}
