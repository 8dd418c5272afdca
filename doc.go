// Package slowpoetry is the root of a module that tests network code on networks that are
// slow, faulty and far away. It has no code itself. These packages have:
//
//   - [github.com/slowpoetry/slowpoetry/simtest] simulates hosts and networks in simulated
//     time, the same in every run with the same seed.
//   - [github.com/slowpoetry/slowpoetry/slownet] puts a slow, faulty path around real
//     connections.
//   - [github.com/slowpoetry/slowpoetry/slownet/netem] describes paths, and has profiles of
//     known networks.
//   - [github.com/slowpoetry/slowpoetry/slownet/trace] reads and writes what happened on a
//     network.
//   - [github.com/slowpoetry/slowpoetry/poetryserver] and
//     [github.com/slowpoetry/slowpoetry/clients] are the slow poetry server of the tutorial
//     and its blocking and asynchronous clients.
//
// README.md has a first test, docs/tutorial teaches asynchronous programming with the slow
// poets, and docs/cookbook.md has tests for common tasks.
package slowpoetry
