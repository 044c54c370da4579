/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Handing objects to other threads: a unit may be released by anybody. */
#include <pthread.h>
#include <stdio.h>
#include <wane.h>

struct job { long from, to, sum; };
static wane_type job_type = {.name = "job", .size = sizeof(struct job)};

static void *work(void *arg) {
    struct job *j = arg; /* the unit came with the pointer */
    for (long i = j->from; i < j->to; i++)
        j->sum += i;
    wane_release(j);
    return NULL; /* detached by its exit */
}

int main(void) {
    pthread_t thread;
    struct job *j = wane_new(&job_type); /* counts for this thread without atomic read-modify-write */
    j->to = 1000;
    wane_share(j); /* optional: from now on all threads count it at the same cost */
    pthread_create(&thread, NULL, work, wane_retain(j));
    pthread_join(thread, NULL);
    printf("%ld\n", j->sum);
    wane_release(j);
    return 0;
}
/* prints:
499500
*/
