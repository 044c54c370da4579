/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * heap/size.c: which sizes there are.
 *
 * Steps of 16 up to 256. Then four a doubling, each 16 above the round number: payloads of 256, 512, 1024 bytes are
 * common, and the header would push them into the next class. From 2064 up the sizes are what a page divides into, and,
 * where these are far apart, some between: a page's last block may end in the page behind it (heap/page.h).
 */
#include "heap/size.h"

#include <stdint.h>

enum { STEPS_END = 16, DOUBLINGS_END = 28 };

static const uint16_t sizes[WANE__CLASSES] = {
    32,   48,   64,   80,   96,   112,  128,  144,  160,  176,  192,  208,   224,   240,   256,   272,
    336,  400,  464,  528,  656,  784,  912,  1040, 1296, 1552, 1808, 2064,  2336,  2720,  3264,  3632,
    4080, 4352, 4672, 5024, 5456, 5952, 6544, 7264, 8176, 9344, 10896, 11936, 13088, 14720, 16368, 18016,
    19824, 21824, 24160, 26736, 29584, 32736,
};

unsigned wane__heap_class(size_t block_bytes) {
    if (block_bytes <= WANE__CLASS_16_MAX)
        return block_bytes <= WANE__BLOCK_MIN ? 0 : WANE__CLASS_OF_16(block_bytes);
    if (block_bytes <= 2064) {
        unsigned above = (unsigned)block_bytes - 17; /* 256 .. 2047 */
        unsigned log = 31 - (unsigned)__builtin_clz(above);
        return STEPS_END + (log - 8) * 4 + ((above >> (log - 2)) & 3);
    }
    unsigned cls = DOUBLINGS_END;
    while (cls < WANE__CLASSES && sizes[cls] < block_bytes)
        cls++;
    return cls;
}

size_t wane__heap_class_size(unsigned cls) { return sizes[cls]; }
