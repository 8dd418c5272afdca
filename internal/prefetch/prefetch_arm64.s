#include "textflag.h"

// func lines(address, size uintptr)
TEXT ·lines(SB), NOSPLIT, $0-16
	MOVD address+0(FP), R0
	MOVD size+8(FP), R1
	ADD  R0, R1, R1
	AND  $~63, R0, R0
	SUB  R0, R1, R1 // bytes, counted from the start of the first line

next:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0, R0
	SUBS $64, R1, R1
	BHI  next
	RET

// func current() (descriptor, stack uintptr)
TEXT ·current(SB), NOSPLIT, $0-16
	MOVD g, descriptor+0(FP)
	MOVD $descriptor+0(FP), R0
	MOVD R0, stack+8(FP)
	RET
