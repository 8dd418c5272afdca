// Package redis runs the Redis client github.com/redis/go-redis/v9 against a
// server made with github.com/tidwall/redcon in the simulator.
//
// Its tests are the example: round trips and pipelines, a slow link, and a
// partition, with every time exact.
package redis
