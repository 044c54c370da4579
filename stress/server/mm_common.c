/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * mm_common.c: births and deaths, counted by thread. A thread adds to a shard that it shares with
 * few others or none; whoever wants the sum adds up the shards, of slightly different moments.
 */
#include "mm.h"

#include <stdatomic.h>

struct mm_shard mm_shards[MM_SHARDS];

static atomic_uint next_shard;
static __thread struct mm_shard *own_shard;

struct mm_shard *mm_shard_of_thread(void) {
    if (own_shard == NULL) {
        own_shard = &mm_shards[atomic_fetch_add(&next_shard, 1) % MM_SHARDS];
    }
    return own_shard;
}

void mm_shards_sum(struct mm_stats *ret) {
    /* Deaths first: a death that is seen without its birth would make the difference negative. */
    uint64_t freed = 0;
    uint64_t bytes_freed = 0;
    for (size_t i = 0; i < MM_SHARDS; i++) {
        freed += atomic_load(&mm_shards[i].freed);
        bytes_freed += atomic_load(&mm_shards[i].bytes_freed);
    }
    uint64_t made = 0;
    uint64_t bytes_made = 0;
    for (size_t i = 0; i < MM_SHARDS; i++) {
        made += atomic_load(&mm_shards[i].made);
        bytes_made += atomic_load(&mm_shards[i].bytes_made);
    }
    ret->made = made;
    ret->freed = freed;
    ret->live = made - freed;
    ret->live_bytes = bytes_made - bytes_freed;
}
