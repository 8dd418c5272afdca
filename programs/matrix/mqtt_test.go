package matrix

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

// paho is a client, and mochi its broker.
var mqttProgram = program{"paho and mochi", "github.com/mochi-mqtt/server/v2",
	"three concurrent messages, one of each quality of service, to both clients",
	served(serveMQTT, dialMQTT)}

func serveMQTT(ctx context.Context) error {
	broker := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := broker.AddHook(new(auth.AllowHook), nil); err != nil {
		return err
	}
	if err := broker.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: ":1883"})); err != nil {
		return err
	}
	if err := broker.Serve(); err != nil {
		return err
	}
	<-ctx.Done()
	return broker.Close()
}

// An mqttSession publishes three texts at once, and receives them and the texts of
// the other session.
type mqttSession struct {
	client paho.Client
	name   string
	heard  chan string
}

func dialMQTT(ctx context.Context, client string) (session, error) {
	s := mqttSession{name: client, heard: make(chan string, 1000)}
	o := paho.NewClientOptions().AddBroker("tcp://server:1883").SetClientID(client).SetAutoReconnect(false).SetConnectTimeout(patience)
	s.client = paho.NewClient(o)
	if err := done(ctx, s.client.Connect()); err != nil {
		return nil, err
	}
	if err := done(ctx, s.client.Subscribe("lines/#", 1, func(_ paho.Client, m paho.Message) { s.heard <- string(m.Payload()) })); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// done waits for the end of a client's operation.
func done(ctx context.Context, token paho.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s mqttSession) exchange(ctx context.Context, i int) error {
	var missing []string
	for n := range 3 {
		missing = append(missing, s.name+" says "+string(text(i, n)))
	}
	if err := atOnce(func(n int) error { return done(ctx, s.client.Publish("lines/"+s.name, byte(n), false, missing[n])) }); err != nil {
		return err
	}
	for len(missing) > 0 {
		select {
		case heard := <-s.heard:
			missing = slices.DeleteFunc(missing, func(line string) bool { return line == heard })
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s mqttSession) close() { s.client.Disconnect(uint(time.Second.Milliseconds())) }
