// Package clients gets poems from slow servers, in two ways.
//
// A poetry server sends its poem and closes the connection. The blocking
// client, [Client.GetPoetry] and [Client.GetAll], gets one poem after another
// and waits for each: three poems take the sum of their times. The asynchronous
// one, [Client.GetPoetryAsync] and [Client.GetAllAsync], connects to all
// servers at once, and one loop, a [reactor.Reactor], reads whatever arrives:
// three poems take as long as the slowest.
//
// Neither client knows whether it runs on sockets or in a simulation: the dial
// function and the clock are fields of [Client].
package clients
