package overlay

import "slices"

// edits are all edits.
var edits = slices.Concat(stateEdits, timeEdits, orderEdits, netEdits)

// Fields of the runtime for the settings of simtest.
var stateEdits = []edit{
	{file: "runtime/runtime2.go", name: "type g", place: fields("sim simG")},
	{file: "runtime/synctest.go", name: "type synctestBubble", place: fields("sim simBubble")},
	{file: "runtime/proc.go", name: "newproc1", place: renamed("simNewproc1")},
	{file: "runtime/proc.go", name: "gdestroy", place: start("if b := $1.bubble; b != nil { b.simExit($1) }; $1.sim = simG{}")},
}

// A goroutine that waits for a mutex is idle if the holder is in the bubble. Pools keep
// nothing.
var timeEdits = []edit{
	{file: "runtime/synctest.go", name: "(*synctestBubble).changegstatus", place: calls("isIdleInSynctest", 2, "simIdle", "$r")},
	{file: "runtime/synctest.go", name: "synctestRun", place: after("gopark", 1, "if b := getg().bubble; !b.simSettle() { lock(&b.mu); continue }")},
	{file: "runtime/synctest.go", name: "synctestWait", place: after("gopark", 1, "simWaitSettled()")},
	{file: "runtime/sema.go", name: "semacquire1", place: calls("goparkunlock", 1, "simParkunlock", "$1")},
	{file: "internal/sync/mutex.go", name: "(*Mutex).Lock", place: renamed("simLock")},
	{file: "internal/sync/mutex.go", name: "(*Mutex).TryLock", place: renamed("simTryLock")},
	{file: "internal/sync/mutex.go", name: "(*Mutex).Unlock", place: start("runtime_simHeld(&$r.sema, -1)")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).RLock", place: renamed("simRLock")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).TryRLock", place: renamed("simTryRLock")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).RUnlock", place: start("runtime_simHeld(&$r.writerSem, -1)")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).Lock", place: after("Lock", 1, "runtime_simHeld(&$r.readerSem, 1)")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).TryLock", place: renamed("simTryLock")},
	{file: "sync/rwmutex.go", name: "(*RWMutex).Unlock", place: start("runtime_simHeld(&$r.readerSem, -1)")},
	{file: "internal/poll/fd_mutex.go", name: "(*fdMutex).rwlock", place: renamed("simLock")},
	{file: "internal/poll/fd_mutex.go", name: "(*fdMutex).rwlock", place: calls("runtime_Semacquire", 1, "runtime_simSemacquire")},
	{file: "internal/poll/fd_mutex.go", name: "(*fdMutex).rwunlock", place: start("runtime_simHeld($r.simSema($1), -1)")},
	{file: "sync/pool.go", name: "(*Pool).Put", place: start("if runtime_simPool() { return }")},
	{file: "sync/pool.go", name: "(*Pool).Get", place: start("if runtime_simPool() { return $r.simGet() }")},
}

// The runtime's random choices follow the seed, and one goroutine of the bubble
// runs at a time.
var orderEdits = []edit{
	// randomness
	{file: "crypto/internal/sysrand/rand.go", name: "Read", place: start("if runtime_simRead($1) { return }")},
	{file: "math/rand/rand.go", name: "(*runtimeSource).Int63", place: calls("runtime_rand", 1, "runtime_simRand")},
	{file: "math/rand/rand.go", name: "(*runtimeSource).Uint64", place: calls("runtime_rand", 1, "runtime_simRand")},
	{file: "math/rand/rand.go", name: "Seed", place: before("Load", 1, "runtime_simSeeded()")},
	{file: "math/rand/rand.go", name: "globalRand", place: start("if runtime_simDraws() { return simGlobal }")},
	{file: "math/rand/v2/rand.go", name: "runtimeSource.Uint64", place: calls("runtime_rand", 1, "runtime_simRand")},
	{file: "net/dnsclient.go", name: "randInt", place: calls("runtime_rand", 1, "runtime_simRand")},
	{file: "os/tempfile.go", name: "nextRandom", place: calls("runtime_rand", 1, "runtime_simRand")},
	{file: "runtime/rand.go", name: "rand", place: start("if gp := getg(); gp.sim.id != 0 { return gp.sim.fixed }")},
	{file: "internal/sync/hashtriemap.go", name: "(*HashTrieMap).initSlow", place: calls("runtime_rand", 1, "runtime_simSeed")},
	{file: "unique/canonmap.go", name: "newCanonMap", place: calls("runtime_rand", 1, "runtime_simSeed")},
	{file: "hash/maphash/maphash_runtime.go", name: "randUint64", place: calls("runtime_rand", 1, "runtime_simSeed"), or: &edit{file: "hash/maphash/maphash.go", name: "randUint64", place: calls("runtime_rand", 1, "runtime_simSeed")}},
	{file: "runtime/select.go", name: "selectgo", place: calls("cheaprandn", 1, "simCheaprandn")},
	{file: "runtime/time.go", name: "(*timer).maybeAdd", place: calls("cheaprand", 1, "simCheaprand")},
	{file: "runtime/alg.go", name: "alginit", place: calls("bootstrapRand", 1, "simHashKey"), or: &edit{file: "internal/runtime/maps/runtime_alg.go", name: "AlgInit", place: calls("bootstrapRand", 1, "simHashKey")}},
	{file: "runtime/alg.go", name: "initAlgAES", place: calls("bootstrapRand", 1, "simHashKey"), or: &edit{file: "internal/runtime/maps/runtime_alg.go", name: "initAlgAES", place: calls("bootstrapRand", 1, "simHashKey")}},
	{file: "runtime/proc.go", name: "main", place: after("gcenable", 1, "simInitialize()")},
	{file: "runtime/proc.go", name: "main", place: before("unlockOSThread", 2, "getg().sim = simG{}")},
	// scheduling
	{file: "runtime/proc.go", name: "ready", place: before("runqput", 1, "if b := $1.bubble; b != nil && b.simEnqueue($1) { releasem(getg().m); return }")},
	{file: "runtime/proc.go", name: "newproc", place: calls("runqput", 1, "simRunqput")},
	{file: "runtime/proc.go", name: "park_m", place: start("simBubble, simReason := $1.bubble, $1.waitreason")},
	{file: "runtime/proc.go", name: "park_m", place: before("schedule", -1, "if simBubble != nil { simBubble.simPark($1, simReason) }")},
	{file: "runtime/proc.go", name: "gosched_m", place: start("if b := $1.bubble; b != nil { b.simGosched($1) }")},
	{file: "runtime/proc.go", name: "gopreempt_m", place: start("if b := $1.bubble; b != nil { b.simPreempted($1) }")},
	{file: "runtime/proc.go", name: "internal_sync_runtime_canSpin", place: start("if simSerial() { return false }")},
	{file: "runtime/sema.go", name: "internal_sync_nanotime", place: start("if simSerial() { return getg().bubble.now }")},
	{file: "runtime/coro.go", name: "coroswitch_m", place: start("if b := $1.bubble; b != nil { b.simSwitch($1, $1.coroarg) }")},
	{file: "runtime/netpoll.go", name: "netpollblock", place: after("gopark", 1, "simReenter()")},
	{file: "runtime/mgcmark.go", name: "gcAssistAlloc", place: calls("Gosched", 1, "simAssistYield")},
	{file: "runtime/mgc.go", name: "GC", place: calls("Gosched", 2, "simSweepYield")},
	{file: "runtime/sema.go", name: "semacquire", place: start("if simSemacquireGC($1) { return }")},
	{file: "runtime/sema.go", name: "semacquire1", place: before("acquireSudog", 1, "if $5.isMutexWait() && simSemacquire($1, $2, $5) { return }")},
	// preemption points
	{file: "runtime/chan.go", name: "chansend1", place: start("simPoint()")},
	{file: "runtime/chan.go", name: "chanrecv1", place: start("simPoint()")},
	{file: "runtime/chan.go", name: "chanrecv2", place: start("simPoint()")},
	{file: "runtime/select.go", name: "selectgo", place: start("simPoint()")},
	{file: "sync/once.go", name: "(*Once).doSlow", place: start("runtime_simOnce(1); defer runtime_simOnce(-1)")},
}

// A socket of a goroutine that has a host belongs to the host.
var netEdits = slices.Concat([]edit{
	{file: "time/sleep.go", name: "AfterFunc", place: start("$2 = simFunc($2)")},
	{file: "net/fd_posix.go", name: "type netFD", place: fields("sim *simFD")},
	{file: "net/ipsock_posix.go", name: "internetSocket", place: start("if h := runtime_simHost(); h != 0 && simDial != nil { return simSocket($1, h, $2, $3, $4, $5, $7) }")},
	{file: "net/lookup.go", name: "(*Resolver).lookupIPAddr", place: start("if $r.simResolves($3) { return $r.simLookupIPAddr($1, $3) }")},
	{file: "net/lookup.go", name: "(*Resolver).LookupHost", place: start("if $r.simResolves($2) { return $r.simLookupHost($1, $2) }")},
	{file: "net/interface.go", name: "Interfaces", place: start("if simOnHost() { return simInterfaces(), nil }")},
	{file: "net/interface.go", name: "InterfaceAddrs", place: start("if simOnHost() { return simInterfaceAddrs(nil), nil }")},
	{file: "net/interface.go", name: "(*Interface).Addrs", place: start("if $r != nil && simOnHost() { return simInterfaceAddrs($r), nil }")},
	{file: "net/rawconn.go", name: "(*rawConn).Control", place: start("if $r.ok() && $r.fd.sim != nil { return nil }")},
	{file: "net/rawconn.go", name: "(*rawConn).Read", place: start("if $r.ok() && $r.fd.sim != nil { return $r.fd.sim.rawRead($r.fd, $1) }")},
	{file: "net/tcpsock_unix.go", name: "(*TCPConn).SetKeepAliveConfig", place: start("if $r.ok() && $r.fd.sim != nil { return $r.fd.sim.setKeepAliveConfig($1) }")},
	{file: "net/tcpsock.go", name: "(*TCPConn).SetKeepAlivePeriod", place: start("if $r.ok() && $r.fd.sim != nil { return $r.fd.sim.setKeepAlivePeriod($1) }")},
	{file: "net/tcpsock_posix.go", name: "(*TCPConn).readFrom", place: start("if $r.fd.sim != nil { return $r.fd.sim.copyFrom($r, $1) }")},
	{file: "net/tcpsock_posix.go", name: "(*TCPConn).writeTo", place: start("if $r.fd.sim != nil { return $r.fd.sim.copyTo($r, $1) }")},
},
	onSimulated("net/fd_posix.go", "(*netFD).", "$r.sim",
		"Close", "close()",
		"shutdown", "shutdown($1)",
		"Read", "read($1)",
		"Write", "write($1)",
		"readFrom", "readFromAny($1)",
		"readFromInet4", "readFrom4($1, $2)",
		"readFromInet6", "readFrom6($1, $2)",
		"readMsg", "readMsgAny($1)",
		"readMsgInet4", "readMsg4($1, $4)",
		"readMsgInet6", "readMsg6($1, $4)",
		"writeTo", "writeTo($1, simAddrPort($2))",
		"writeToInet4", "writeTo($1, simAddrPort4($2))",
		"writeToInet6", "writeTo($1, simAddrPort6($2))",
		"writeMsg", "writeMsg($1, $2, simAddrPort($3))",
		"writeMsgInet4", "writeMsg($1, $2, simAddrPort4($3))",
		"writeMsgInet6", "writeMsg($1, $2, simAddrPort6($3))",
		"SetDeadline", "setDeadline($1, true, true)",
		"SetReadDeadline", "setDeadline($1, true, false)",
		"SetWriteDeadline", "setDeadline($1, false, true)"),
	onSimulated("net/fd_unix.go", "(*netFD).", "$r.sim", "accept", "accept($r)", "dup", "dup()"),
	onSimulated("net/writev_unix.go", "(*netFD).", "$r.sim", "writeBuffers", "writeBuffers($1)"),
	onSimulated("net/tcpsockopt_posix.go", "", "$1.sim", "setNoDelay", "setNoDelay($2)"),
	onSimulated("net/sockopt_posix.go", "", "$1.sim",
		"setReadBuffer", "setReadBuffer($2)",
		"setWriteBuffer", "setWriteBuffer($2)",
		"setKeepAlive", "setKeepAlive($2)",
		"setLinger", "setLinger($2)"),
)

// onSimulated returns edits that make functions call a method of the simFD instead, if
// the netFD has one. functions contains functions and their calls alternately.
func onSimulated(file, prefix, simulated string, functions ...string) (edits []edit) {
	for call := range slices.Chunk(functions, 2) {
		edits = append(edits, edit{file: file, name: prefix + call[0], place: start("if " + simulated + " != nil { return " + simulated + "." + call[1] + " }")})
	}
	return edits
}
