#include "textflag.h"

// func lines(address, size uintptr)
TEXT ·lines(SB), NOSPLIT, $0-16
	MOVQ address+0(FP), AX
	MOVQ size+8(FP), CX
	ADDQ AX, CX
	ANDQ $~63, AX
	SUBQ AX, CX // bytes, counted from the start of the first line

next:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	SUBQ $64, CX
	JHI  next
	RET

// func current() (descriptor, stack uintptr)
TEXT ·current(SB), NOSPLIT, $0-16
	MOVQ (TLS), AX
	MOVQ AX, descriptor+0(FP)
	LEAQ descriptor+0(FP), AX
	MOVQ AX, stack+8(FP)
	RET
