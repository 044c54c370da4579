// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// The collector's calls: thresholds, counts and figures, when collections start by themselves and when not, errors,
// several threads at once, containers that move their slots, forks.

#include "api.h"

static unsigned standard[3];

// Nothing is left from the tests before: counts and thresholds begin anew.
static void begin(void) {
    if (standard[0] == 0) {
        wane_gc_get_threshold(standard);
    }
    CHECK_EQ_INT(wane_gc_set_threshold(standard[0], standard[1], standard[2]), 0);
    wane_gc_disable();
    wane_gc_collect(2);
}

// Returns what it was before.
static int64_t set_age(int64_t ms) {
    int64_t before = 0;
    CHECK_EQ_INT(wane_option_get("candidate_age_ms", &before), 0);
    CHECK_EQ_INT(wane_option_set("candidate_age_ms", ms), 0);
    return before;
}

static void drop_pairs(size_t n) {
    for (size_t i = 0; i < n; i++) {
        wane_release(node_pair());
    }
}

static size_t collections(void) {
    wane_gc_stats s[3];
    wane_gc_get_stats(s);
    return s[0].collections + s[1].collections + s[2].collections;
}

struct dead {
    size_t before, n;
};
static bool all_collected(void *arg) {
    const struct dead *d = arg;
    return api_stats().cycles_collected >= d->before + d->n;
}

// The collector thread sleeps until the first thing that becomes due: memory that is kept for trim_delay_ms puts off no candidates.
TEST(age_comes_before_a_longer_trim_delay) {
    int64_t delay = 0, age = set_age(100);
    CHECK_EQ_INT(wane_option_get("trim_delay_ms", &delay), 0);
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", 1000000), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_enable();
    enum { EMPTY = 20000, WAKES = 10 };
    void **objects = malloc(EMPTY * sizeof *objects);
    CHECK(objects != NULL);
    for (size_t i = 0; i < EMPTY; i++)
        objects[i] = node_new(i);
    for (size_t i = 0; i < EMPTY; i++)
        wane_release(objects[i]); // empty pages, to be given back some time
    free(objects);
    for (int i = 0; i < WAKES; i++) { // threads that ended unseen are looked for first, ever more rarely
        wane_slot place = {NULL};
        wane_slot_give(&place, node_new(0));
        wane_slot_clear(&place);
        test_sleep_ns(60000000);
    }
    struct dead d = {.before = api_stats().cycles_collected, .n = 200};
    drop_pairs(d.n / 2);
    for (uint64_t end = test_now_ns() + API_PATIENCE; !all_collected(&d);) // busy: an idle process is collected at once
        CHECK_MSG(test_now_ns() < end, "the candidates wait for the trim delay");
    CHECK_EQ_INT(wane_option_set("trim_delay_ms", delay), 0);
    set_age(age);
    wane_gc_disable();
}

TEST(thresholds) {
    begin();
    unsigned t[3];
    CHECK_EQ_UINT(standard[0], 10000);
    CHECK_EQ_UINT(standard[1], 10);
    CHECK_EQ_UINT(standard[2], 10);
    CHECK_EQ_INT(wane_gc_set_threshold(7, 8, 0), 0);
    wane_gc_get_threshold(t);
    CHECK(t[0] == 7 && t[1] == 8 && t[2] == 0);
    int64_t value = 0;
    CHECK_EQ_INT(wane_option_get("threshold1", &value), 0);
    CHECK_EQ_INT(value, 8);
    CHECK_EQ_INT(wane_gc_set_threshold(1, 2, (unsigned)INT32_MAX + 1), -EINVAL);
    wane_gc_get_threshold(t);
    CHECK(t[0] == 7 && t[1] == 8 && t[2] == 0);
    CHECK_EQ_INT(wane_option_set("threshold2", 5), 0);
    wane_gc_get_threshold(t);
    CHECK_EQ_UINT(t[2], 5);
}

TEST(counts) {
    begin();
    unsigned c[3];
    struct node *n[20];
    for (size_t i = 0; i < 20; i++) {
        n[i] = node_new(i);
    }
    struct leaf *l = leaf_new(1);
    wane_gc_get_count(c);
    CHECK_EQ_UINT(c[0], 20);
    CHECK_EQ_UINT(c[1], 0);
    CHECK_EQ_UINT(c[2], 0);
    wane_release(l);
    for (size_t i = 0; i < 15; i++) {
        wane_release(n[i]);
    }
    wane_gc_get_count(c);
    CHECK_EQ_UINT(c[0], 5);
    wane_gc_collect(0);
    wane_gc_collect(0);
    wane_gc_get_count(c);
    CHECK(c[0] == 0 && c[1] == 2 && c[2] == 0);
    wane_gc_collect(1);
    wane_gc_get_count(c);
    CHECK(c[0] == 0 && c[1] == 0 && c[2] == 1);
    wane_gc_collect(2);
    wane_gc_get_count(c);
    CHECK(c[0] == 0 && c[1] == 0 && c[2] == 0);
    for (size_t i = 15; i < 20; i++) {
        wane_release(n[i]);
    }
}

TEST(figures_and_events) {
    begin();
    wane_gc_stats then[3], now[3];
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        int g = generation == WANE_GC_FULL ? 2 : generation;
        drop_pairs(10);
        wane_gc_get_stats(then);
        uint64_t collected = api_stats().cycles_collected;
        wane_gc_event e;
        memset(&e, 0xff, sizeof e);
        CHECK_EQ_INT(wane_gc_run(generation, &e), 0);
        CHECK_EQ_INT(e.phase, WANE_GC_STOP);
        CHECK_EQ_INT(e.generation, generation);
        CHECK_EQ_UINT(e.collected, 20);
        CHECK_EQ_UINT(e.uncollectable, 0);
        CHECK(e.candidates >= 10 && e.duration_ns > 0);
        wane_gc_get_stats(now);
        // A fault injector makes a call that found no memory again: both are counted.
        size_t again = now[g].aborted - then[g].aborted;
        CHECK(again == 0 || api_faults());
        CHECK_EQ_UINT(now[g].collections, then[g].collections + 1 + again);
        CHECK_EQ_UINT(now[g].collected, then[g].collected + 20);
        CHECK(now[g].suspects >= then[g].suspects + 20);
        CHECK(now[g].cpu_ns > then[g].cpu_ns);
        CHECK_EQ_UINT(api_stats().cycles_collected, collected + 20);
    }
}

TEST(errors) {
    begin();
    static const int none[] = {-1, 4, 100, INT32_MIN, INT32_MAX};
    size_t before = collections();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_EQ_INT(wane_gc_run(none[i], NULL), -EINVAL);
        CHECK_EQ_UINT(wane_gc_collect(none[i]), 0);
    }
    CHECK_EQ_UINT(collections(), before);
    errno = 77;
    CHECK_EQ_INT(wane_gc_run(2, NULL), 0);
    CHECK_EQ_INT(errno, 77);
    CHECK(!wane_gc_is_tracked(NULL));
    CHECK(!wane_gc_is_finalized(NULL));
    struct leaf *l = leaf_new(1);
    struct node *n = node_new(1);
    CHECK(!wane_gc_is_tracked(l) && wane_gc_is_tracked(n));
    CHECK(!wane_gc_is_finalized(l) && !wane_gc_is_finalized(n));
    wane_release(l);
    wane_release(n);
}

static void collect_in_a_guard(void *generation) {
    wane_guard_enter();
    wane_gc_collect((int)(intptr_t)generation);
}

TEST(in_a_guard) {
    begin();
    api_dies_with(collect_in_a_guard, (void *)0, "wane_gc_collect", "guard", NULL);
    api_dies_with(collect_in_a_guard, (void *)2, "wane_gc_collect", "guard", NULL);
}

static void collect_in_a_callback(void *unused) {
    (void)unused;
    drop_pairs(1);
    CHECK_EQ_UINT(wane_gc_collect(2), 0);
    CHECK_EQ_INT(wane_gc_run(2, NULL), -EDEADLK);
}

static wane_type calling_type = {.name = "calls", .size = 8, .destroy = collect_in_a_callback};

TEST(in_a_callback) {
    begin();
    wane_release(wane_new(&calling_type));
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
    CHECK_EQ_INT(wane_defer(collect_in_a_callback, NULL), 0);
    CHECK_EQ_INT(wane_flush(), 0);
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
}

// When collections start by themselves.

static bool all_died(void *arg) {
    // Births that come now and then take the collector out of its sleep.
    wane_release(node_new(1));
    const size_t *want = arg;
    return atomic_load(&nodes_dead) >= *want;
}

TEST(start_at_the_threshold) {
    begin();
    size_t then = collections(), want = atomic_load(&nodes_dead) + 3000;
    CHECK_EQ_INT(wane_gc_set_threshold(1000, 0, 0), 0);
    wane_gc_enable();
    drop_pairs(2000);
    CHECK(test_wait_until(all_died, &want, API_PATIENCE));
    CHECK(collections() > then);
    begin();
}

static bool collected_since(void *arg) {
    const size_t *then = arg;
    wane_release(node_new(1));
    return collections() > *then;
}

// Makes nodes that live until as many as started a collection before do not start one.
static struct node *make_in_vain(struct node *list) {
    size_t then;
    do {
        then = collections();
        for (int i = 0; i < 200; i++) {
            struct node *n = node_new(1);
            wane_slot_init(&n->left, list);
            list = n;
        }
    } while (test_wait_until(collected_since, &then, 40 * API_MS));
    return list;
}

TEST(start_later_when_in_vain) {
    begin();
    int64_t age = set_age(0);
    CHECK_EQ_INT(wane_gc_set_threshold(100, 0, 0), 0);
    wane_gc_enable();
    struct node *list = make_in_vain(NULL);
    size_t then = collections();
    CHECK_EQ_INT(wane_gc_set_threshold(100, 0, 0), 0);  // as said, from now on
    CHECK(test_wait_until(collected_since, &then, API_PATIENCE));
    list = make_in_vain(list);
    then = collections();
    CHECK_EQ_INT(wane_option_set("threshold0", 100), 0);  // the same by name
    CHECK(test_wait_until(collected_since, &then, API_PATIENCE));
    list = make_in_vain(list);
    size_t want = atomic_load(&nodes_dead) + 20000;
    drop_pairs(60000);  // enough for any patience, and worth it
    CHECK(test_wait_until(all_died, &want, API_PATIENCE));
    test_sleep_ns(20 * API_MS);
    want = atomic_load(&nodes_dead) + 1500;
    drop_pairs(1000);
    CHECK(test_wait_until(all_died, &want, API_PATIENCE));
    wane_release(list);
    set_age(age);
    begin();
}

// What died of itself need not be made once more before a collection starts.
TEST(start_after_many_died) {
    begin();
    int64_t age = set_age(0);
    CHECK_EQ_INT(wane_gc_set_threshold(1000, 10, 10), 0);
    static struct node *many[50000];
    for (size_t i = 0; i < 50000; i++) {
        many[i] = node_new(i);
    }
    wane_gc_collect(2);
    for (size_t i = 0; i < 50000; i++) {
        wane_release(many[i]);
    }
    CHECK_EQ_INT(wane_flush(), 0);
    wane_gc_enable();
    size_t then = collections();
    uint64_t end = test_now_ns() + API_PATIENCE;
    for (int i = 0; i < 10 || (collections() == then && test_now_ns() < end); i++) {
        drop_pairs(100);
        test_sleep_ns(API_MS);
        CHECK(i < 10 || api_stats().live_objects < 25000);
    }
    CHECK(collections() > then);
    set_age(age);
    begin();
}

TEST(start_for_older_generations) {
    begin();
    wane_gc_stats then[3], now[3];
    wane_gc_get_stats(then);
    CHECK_EQ_INT(wane_gc_set_threshold(50, 1, 1), 0);
    wane_gc_enable();
    uint64_t end = test_now_ns() + API_PATIENCE;
    do {
        // No faster than the collector: else one collection finds it all, and takes its time.
        size_t before = collections();
        drop_pairs(200);
        test_wait_until(collected_since, &before, 100 * API_MS);
        wane_gc_get_stats(now);
        CHECK(test_now_ns() < end);
    } while (now[0].collections == then[0].collections || now[1].collections == then[1].collections ||
             now[2].collections == then[2].collections);
    begin();
}

TEST(start_by_age) {
    begin();
    int64_t age = set_age(20);
    wane_gc_enable();
    size_t want = atomic_load(&nodes_dead) + 20;
    drop_pairs(10);
    CHECK(test_wait_until(all_died, &want, API_PATIENCE));
    set_age(age);
    begin();
}

// Old candidates that lead into a living graph far too large for a look by age: what is dead behind
// them goes all the same, at once where it explains itself, the rest a while later.

enum { LIVING = 40000 };

// A list in both directions: each node but the ends has two units.
static struct node *chain_new(size_t n) {
    struct node *first = node_new(0), *last = first;
    for (size_t i = 1; i < n; i++) {
        struct node *next = node_new(i);
        wane_slot_store(&next->right, last);
        wane_slot_init(&last->left, next);
        last = next;
    }
    return first;
}

TEST(old_candidates_of_a_large_living_graph) {
    begin();
    struct node *living = chain_new(LIVING), *pairs[100], *chain = chain_new(20000);
    for (size_t i = 0; i < 100; i++) {
        pairs[i] = node_pair();
        wane_slot_store(&pairs[i]->right, living);
    }
    wane_slot_store(&chain->right, living);
    wane_gc_collect(2);
    wane_gc_collect(2);
    int64_t age = set_age(20);
    wane_gc_enable();
    for (size_t round = 0; round < 3; round++) {
        // Candidates that live, beside those that die.
        wane_release(wane_slot_load(&living->left));
        wane_release(wane_retain(living));
        size_t want = atomic_load(&nodes_dead) + (round < 2 ? 100 : 20000);
        for (size_t i = 0; i < 50 && round < 2; i++) {
            wane_release(pairs[round * 50 + i]);
        }
        if (round == 2) {
            wane_release(chain);
        }
        CHECK_MSG(test_wait_until(all_died, &want, API_PATIENCE), "round %zu: %zu died of %zu", round,
                  atomic_load(&nodes_dead), want);
    }
    set_age(age);
    begin();
    size_t dead = atomic_load(&nodes_dead);
    wane_release(living);
    CHECK_EQ_UINT(wane_gc_collect(2), LIVING);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + LIVING);
}

TEST(do_not_start_when_told_so) {
    begin();
    int64_t age = set_age(0);
    CHECK_EQ_INT(wane_gc_set_threshold(100, 1, 1), 0);
    for (int way = 0; way < 4; way++) {
        wane_gc_enable();
        if (way == 0) {
            wane_gc_disable();
        } else if (way == 1) {
            wane_gc_pause();
            wane_gc_pause();
            wane_gc_resume();
        } else if (way == 2) {
            wane_gc_pause();
        } else {
            CHECK_EQ_INT(wane_gc_set_threshold(0, 1, 1), 0);
        }
        CHECK_EQ_INT(wane_gc_is_enabled(), way != 0);
        test_sleep_ns(20 * API_MS);  // one that was due before has begun
        wane_gc_collect(2);
        size_t then = collections();
        drop_pairs(2000);
        test_sleep_ns(60 * API_MS);
        CHECK_EQ_UINT(collections(), then);
        CHECK_EQ_UINT(wane_gc_collect(0), 4000);
        if (way == 2) {
            wane_gc_resume();
        } else if (way == 1) {
            wane_gc_resume();
            wane_gc_resume();  // one too many: the next pause is one all the same
        }
    }
    set_age(age);
    begin();
}

// Loads, uses and releases: candidates all the time, and nothing that was made.
static wane_slot shared_place;
static _Atomic(bool) stop;

static void *only_read(void *unused) {
    while (!atomic_load(&stop)) {
        struct node *n = wane_slot_load(&shared_place), *m = wane_slot_load(&n->left);
        CHECK_EQ_UINT(n->canary, NODE_CANARY);
        wane_release(n);
        wane_release(m);
    }
    return unused;
}

TEST(do_not_start_for_readers) {
    begin();
    int64_t age = set_age(0);  // which may come where others keep the readers from the processor
    wane_slot_give(&shared_place, node_pair());
    CHECK_EQ_INT(wane_gc_set_threshold(2, 1, 1), 0);
    wane_gc_collect(2);
    wane_gc_enable();
    size_t then = collections();
    pthread_t threads[2];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 2; i++) {
        threads[i] = api_thread(only_read, NULL);
    }
    test_sleep_ns(200 * API_MS);
    CHECK_EQ_UINT(collections(), then);
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_slot_clear(&shared_place);
    set_age(age);
    begin();
}

static void *collect_often(void *unused) {
    for (int i = 0; i < 40; i++) {
        drop_pairs(5);
        wane_gc_collect(i % 4);
    }
    return unused;
}

TEST(several_threads_collect_at_once) {
    begin();
    size_t then = collections(), dead = atomic_load(&nodes_dead);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        threads[i] = api_thread(collect_often, NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
    size_t since = collections() - then;
    CHECK(since == 161 || (since > 161 && getenv("INJECT_FIRST") != NULL));  // births without memory collect, too
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 4 * 40 * 10);
}

// A container whose `trace` visits the first n of its slots.

enum { ROOM = 16 };
struct list {
    _Atomic(size_t) n;
    wane_slot *slots;
};

static void list_trace(void *self, wane_visitor *v) {
    struct list *l = self;
    size_t n = atomic_load(&l->n);
    if (n > 0) {
        wane_visit_n(v, l->slots, n);
    }
}
static void list_destroy(void *self) { free(((struct list *)self)->slots); }
static wane_type list_type = {
    .name = "list", .size = sizeof(struct list), .trace = list_trace, .destroy = list_destroy};

static struct list *list_new(void) {
    struct list *l = wane_new(&list_type);
    l->slots = calloc(ROOM, sizeof *l->slots);
    CHECK(l->slots != NULL);
    return l;
}

static void list_append(struct list *l, void *obj) {
    size_t n = atomic_load(&l->n);
    wane_slot_init(&l->slots[n], obj);
    atomic_store(&l->n, n + 1);
}

// The first leaves; the count first, so that no slot is visited twice.
static void list_shift(struct list *l) {
    size_t n = atomic_load(&l->n);
    wane_slot_clear(&l->slots[0]);
    atomic_store(&l->n, n - 1);
    wane_slots_move(l, l->slots, l->slots + 1, n - 1);
    wane_slot_init(&l->slots[n - 1], NULL);
}

static void list_rotate(struct list *l) {
    size_t n = atomic_load(&l->n);
    wane_change_begin(l);
    void *first = l->slots[0].wane__target;
    for (size_t i = 0; i + 1 < n; i++) {
        __atomic_store_n(&l->slots[i].wane__target, l->slots[i + 1].wane__target, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&l->slots[n - 1].wane__target, first, __ATOMIC_RELEASE);
    wane_change_end(l);
}

TEST(moves_of_slots) {
    begin();
    wane_slot s[5] = {{0}};
    for (uint64_t i = 0; i < 4; i++) {
        wane_slot_init(&s[i], leaf_new(i));
    }
    wane_slots_move(NULL, s + 1, s, 4);
    wane_slot_init(&s[0], NULL);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_EQ_UINT(((struct leaf *)wane_slot_peek(&s[i + 1]))->number, i);
    }
    wane_slots_move(NULL, s, s + 1, 4);
    wane_slot_init(&s[4], NULL);
    wane_slots_move(NULL, s, s, 4);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_EQ_UINT(((struct leaf *)wane_slot_peek(&s[i]))->number, i);
        wane_slot_clear(&s[i]);
    }
}

static _Atomic(size_t) rounds_done;

// Elements that only the list holds, and that refer back to it.
static void *move_all_the_time(void *unused) {
    for (int round = 0; !atomic_load(&stop) || round < 3; round++) {
        struct list *l = list_new();
        for (uint64_t i = 0; i < ROOM; i++) {
            struct node *n = node_new(i);
            wane_slot_store(&n->left, l);
            list_append(l, n);
        }
        for (int i = 0; i < 100; i++) {
            list_rotate(l);
            struct node *n = wane_slot_load(&l->slots[0]);
            CHECK_EQ_UINT(n->canary, NODE_CANARY);
            CHECK_EQ_UINT(n->number, (uint64_t)(i + 1) % ROOM);
            wane_release(n);
        }
        while (atomic_load(&l->n) > 4) {
            list_shift(l);
            CHECK_EQ_UINT(((struct node *)wane_slot_peek(&l->slots[0]))->canary, NODE_CANARY);
        }
        wane_release(l);
        atomic_fetch_add(&rounds_done, 1);
        while (api_stats().live_objects > 2000 && !atomic_load(&stop)) {
            test_sleep_ns(API_MS);
        }
    }
    return unused;
}

TEST(containers_that_move_beside_collections) {
    begin();
    size_t dead = atomic_load(&nodes_dead);
    pthread_t threads[2];
    atomic_store(&stop, false);
    for (size_t i = 0; i < 2; i++) {
        threads[i] = api_thread(move_all_the_time, NULL);
    }
    uint64_t end = test_now_ns() + 300 * API_MS;
    for (int i = 0; i < 3 || test_now_ns() < end; i++) {
        wane_gc_collect(i % 4);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        api_join(threads[i]);
    }
    wane_gc_collect(2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + ROOM * atomic_load(&rounds_done));
}

// Forks in the middle of collections.

static void *make_garbage(void *unused) {
    while (!atomic_load(&stop)) {
        if (api_stats().live_objects < 4000) {
            drop_pairs(50);
        } else {
            test_sleep_ns(API_MS);
        }
    }
    return unused;
}

static void *collect_all_the_time(void *unused) {
    for (int i = 0; !atomic_load(&stop); i++) {
        wane_gc_collect(i % 4);
    }
    return unused;
}

static void collect_in_child(void *held) {
    struct node *n = held;
    for (int generation = 0; generation <= WANE_GC_FULL; generation++) {
        drop_pairs(100);
        wane_gc_event e;
        CHECK_EQ_INT(wane_gc_run(generation, &e), 0);
        CHECK_MSG(e.collected >= 200, "generation %d: %zu of %zu candidates", generation, e.collected, e.candidates);
    }
    CHECK_EQ_UINT(wane_gc_collect(WANE_GC_FULL), 0);
    // What the vanished threads had in hand: a pair each, or what they had decided about.
    CHECK_EQ_UINT(n->canary, NODE_CANARY);
    CHECK_EQ_UINT(wane_refcount(n), 2);
    size_t dead = atomic_load(&nodes_dead);
    wane_release(n);
    CHECK_EQ_UINT(wane_gc_collect(2), 2);
    CHECK_EQ_UINT(atomic_load(&nodes_dead), dead + 2);
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(forks_beside_collections) {
    if (TEST_ASAN || TEST_TSAN) {
        SKIP("the sanitizer's allocator may be locked by a thread that the child lacks");
    }
    begin();
    struct node *held = node_pair();
    pthread_t threads[3];
    atomic_store(&stop, false);
    threads[0] = api_thread(make_garbage, NULL);
    threads[1] = api_thread(make_garbage, NULL);
    threads[2] = api_thread(collect_all_the_time, NULL);
    for (int i = 0; i < 15; i++) {
        test_sleep_ns(3 * API_MS);
        check_in_child(collect_in_child, held);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++) {
        api_join(threads[i]);
    }
    wane_release(held);
    wane_gc_collect(2);
}

static struct gate guard_entered = GATE_CLOSED, guard_leave = GATE_CLOSED;

static void *sit_in_a_guard(void *unused) {
    wane_guard_enter();
    gate_set(&guard_entered, true);
    gate_wait(&guard_leave);
    wane_guard_leave();
    return unused;
}

static bool dead_enough(void *want) { return atomic_load(&nodes_dead) >= *(size_t *)want; }

// Another thread is inside a guard all the time: cycles die all the same, again and again.
TEST(a_long_guard_delays_no_collection) {
    begin();
    pthread_t t = api_thread(sit_in_a_guard, NULL);
    gate_wait(&guard_entered);
    wane_gc_enable();
    for (int round = 0; round < 5; round++) {
        size_t want = atomic_load(&nodes_dead) + 10000;
        drop_pairs(20000);
        CHECK_MSG(test_wait_until(dead_enough, &want, API_PATIENCE), "%zu dead", atomic_load(&nodes_dead));
    }
    gate_set(&guard_leave, true);
    api_join(t);
    wane_gc_collect(2);
}
