package netem

import "time"

// Sources of the presets' figures.
const (
	fromWebPageTest = "WebPageTest, www/settings/connectivity.ini.sample: states the round trip, halved here"

	fromChrome = "Chrome DevTools, front_end/core/sdk/NetworkManager.ts: nominal; the latency delays a response after its request, " +
		"so it is taken for a round trip and halved here; DevTools itself applies 0.8 to 0.9 of the rate and 2.75 to 5 times the latency"

	renamed = " until May 2024 (crbug.com/342406608)"

	fromApple = "Apple Network Link Conditioner: states the latency one way, as here"

	fromGRPC = "gRPC, google.golang.org/grpc/benchmark/latency: states the latency one way, as here; " +
		"its kilobits are 1024 bits per second and 1000 here"

	fromComcast = "Comcast, github.com/tylertreat/comcast: delays outgoing packets only, so its latency adds to the round trip once, " +
		"and is halved here; rate and loss apply to each direction"

	fromLoadero = "Loadero, network conditions, satellite: does not say which way; the latency is a satellite's round trip, so it is halved here"
)

// presets are the profiles of this package.
var presets = []Profile{
	roundTripPreset("webpagetest/cable", fromWebPageTest, 5000*Kbps, 1000*Kbps, 28*time.Millisecond),
	roundTripPreset("webpagetest/dsl", fromWebPageTest, 1500*Kbps, 384*Kbps, 50*time.Millisecond),
	roundTripPreset("webpagetest/fios", fromWebPageTest, 20000*Kbps, 5000*Kbps, 4*time.Millisecond),
	roundTripPreset("webpagetest/dial", fromWebPageTest, 49*Kbps, 30*Kbps, 120*time.Millisecond),
	roundTripPreset("webpagetest/3g", fromWebPageTest, 1600*Kbps, 768*Kbps, 300*time.Millisecond),
	roundTripPreset("webpagetest/3gfast", fromWebPageTest, 1600*Kbps, 768*Kbps, 150*time.Millisecond),
	roundTripPreset("webpagetest/3gslow", fromWebPageTest, 780*Kbps, 330*Kbps, 200*time.Millisecond),
	roundTripPreset("webpagetest/edge", fromWebPageTest, 240*Kbps, 200*Kbps, 840*time.Millisecond),
	roundTripPreset("webpagetest/2g", fromWebPageTest, 35*Kbps, 32*Kbps, 1300*time.Millisecond),
	roundTripPreset("webpagetest/4g", fromWebPageTest, 9000*Kbps, 9000*Kbps, 170*time.Millisecond),
	roundTripPreset("webpagetest/lte", fromWebPageTest, 12000*Kbps, 12000*Kbps, 70*time.Millisecond),

	roundTripPreset("chrome/3g", fromChrome+"; called Slow 3G"+renamed, 500*Kbps, 500*Kbps, 400*time.Millisecond),
	roundTripPreset("chrome/slow-4g", fromChrome+"; called Fast 3G"+renamed, 1600*Kbps, 750*Kbps, 150*time.Millisecond),
	roundTripPreset("chrome/fast-4g", fromChrome, 9000*Kbps, 1500*Kbps, 60*time.Millisecond),

	{Name: "apple/edge", Source: fromApple, Down: Link{Rate: 240 * Kbps, Latency: 400 * time.Millisecond}, Up: Link{Rate: 200 * Kbps, Latency: 440 * time.Millisecond}},
	{Name: "apple/3g", Source: fromApple, Down: Link{Rate: 780 * Kbps, Latency: 100 * time.Millisecond}, Up: Link{Rate: 330 * Kbps, Latency: 100 * time.Millisecond}},
	lossyPreset(oneWayPreset("apple/very-bad-network", fromApple, 1000*Kbps, 500*time.Millisecond), 0.1),
	{Name: "apple/high-latency-dns", Source: fromApple + "; delays nothing but name look-ups", Lookup: 3 * time.Second},

	oneWayPreset("grpc/lan", fromGRPC, 100*Mbps, 2*time.Millisecond),
	oneWayPreset("grpc/wan", fromGRPC, 20*Mbps, 30*time.Millisecond),
	oneWayPreset("grpc/longhaul", fromGRPC, 1000*Mbps, 200*time.Millisecond),

	lossyPreset(roundTripPreset("comcast/gprs", fromComcast, 50*Kbps, 50*Kbps, 500*time.Millisecond), 0.02),
	lossyPreset(roundTripPreset("comcast/edge", fromComcast, 250*Kbps, 250*Kbps, 300*time.Millisecond), 0.015),
	lossyPreset(roundTripPreset("comcast/dial-up", fromComcast, 40*Kbps, 40*Kbps, 185*time.Millisecond), 0.02),
	lossyPreset(roundTripPreset("comcast/dsl-poor", fromComcast, 2000*Kbps, 2000*Kbps, 70*time.Millisecond), 0.02),

	roundTripPreset("loadero/satellite", fromLoadero, 1000*Kbps, 256*Kbps, 600*time.Millisecond),
}

// roundTripPreset returns a profile with half of a round-trip latency in each direction.
func roundTripPreset(name, source string, down, up Rate, latency time.Duration) Profile {
	return Profile{Name: name, Source: source, Down: Link{Rate: down, Latency: latency / 2}, Up: Link{Rate: up, Latency: latency / 2}}
}

// oneWayPreset returns a profile with the same link in both directions.
func oneWayPreset(name, source string, rate Rate, latency time.Duration) Profile {
	return Profile{Name: name, Source: source, Down: Link{Rate: rate, Latency: latency}, Up: Link{Rate: rate, Latency: latency}}
}

// lossyPreset adds loss in both directions to a profile.
func lossyPreset(p Profile, loss float64) Profile {
	p.Down.Loss.Random, p.Up.Loss.Random = loss, loss
	return p
}
