// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Whatever is done with an object after its death, by whichever thread and whatever its type, ends the program with
// one line: until its block is given to another object, nothing that is left of it can be taken for an object.

#include "api.h"

enum { LARGE = 100000, HUGE_SIZE = 8 << 20 };

static void nothing(void *self) { (void)self; }

// How objects of the types die differs: in one step, after their slots, with callbacks, in runs of pages.
static wane_type types[] = {
    {.name = "plain", .size = 40},
    {.name = "of 400 bytes", .size = 400},
    {.name = "with slots", .size = sizeof(struct node), .slots = WANE_SLOTS(struct node, left, right)},
    {.name = "with destroy", .size = 40, .destroy = nothing},
    {.name = "with finalize", .size = 40, .finalize = nothing},
    {.name = "shared", .size = 40, .flags = WANE_TYPE_SHARED},
    {.name = "large", .size = LARGE},
    {.name = "large with slots", .size = LARGE, .slots = WANE_SLOTS(struct node, left, right)},
    {.name = "huge", .size = HUGE_SIZE},
    {.name = "weakly referenced", .size = 40},
};
enum { TYPES = sizeof types / sizeof types[0] };

// Memory that went back to the system names no type any more.
__attribute__((constructor)) static void keep_memory(void) { wane_option_set("trim_delay_ms", 1000000000); }

static wane_slot place;

static void do_release(void *o) { wane_release(o); }
static void do_release_later(void *o) { wane_release_later(o); }
static void do_clear(void *o) { wane_clear(&o); }
static void do_retain(void *o) { wane_retain(o); }
static void do_share(void *o) { wane_share(o); }
static void do_unique(void *o) { (void)wane_is_unique(o); }
static void do_immortalize(void *o) { wane_immortalize(o); }
static void do_note(void *o) { wane_note_external(o, 100); }
static void do_init(void *o) { wane_slot_init(&place, o); }
static void do_store(void *o) { wane_slot_store(&place, o); }
static void do_give(void *o) { wane_slot_give(&place, o); }
static void do_swap(void *o) { (void)wane_slot_swap(&place, o); }
static void do_cas(void *o) { (void)wane_slot_cas(&place, NULL, o); }
static void do_weak(void *o) { (void)wane_weak_new(o, NULL, NULL); }

static const struct use {
    void (*fn)(void *o);
    const char *name;
} uses[] = {
    {do_release, "wane_release"},  {do_release_later, "wane_release_later"},
    {do_clear, "wane_clear"},      {do_retain, "wane_retain"},
    {do_share, "wane_share"},      {do_unique, "wane_is_unique"},
    {do_note, "wane_note_external"}, {do_immortalize, "wane_immortalize"},
    {do_init, "wane_slot_init"},   {do_store, "wane_slot_store"},
    {do_give, "wane_slot_give"},   {do_swap, "wane_slot_swap"},
    {do_cas, "wane_slot_cas"},     {do_weak, "wane_weak_new"},
};
enum { USES = sizeof uses / sizeof uses[0] };

struct stale {
    const struct use *use;
    void *o;
    bool elsewhere;
};

static void *use_it(void *arg) {
    const struct stale *s = arg;
    s->use->fn(s->o);
    return NULL;
}

static void kill_and_use(void *arg) {
    struct stale *s = arg;
    wane_release(s->o);
    if (s->elsewhere) {
        api_elsewhere(use_it, s);
    } else {
        use_it(s);
    }
}

static void check_uses(wane_type *t, bool elsewhere) {
    for (size_t i = 0; i < USES; i++) {
        struct stale s = {.use = &uses[i], .o = wane_new(t), .elsewhere = elsewhere};
        CHECK(s.o != NULL);
        wane_weak *w = t == &types[TYPES - 1] ? wane_weak_new(s.o, NULL, NULL) : NULL;
        char address[40];
        snprintf(address, sizeof address, "%p", s.o);
        api_dies_with(kill_and_use, &s, t->name, address, uses[i].name);
        wane_release(w);
        wane_release(s.o);
    }
    CHECK_EQ_INT(wane_flush(), 0);
}

TEST(uses_by_the_owner) {
    for (size_t i = 0; i < TYPES; i++) {
        check_uses(&types[i], false);
    }
}

TEST(uses_by_another_thread) {
    for (size_t i = 0; i < TYPES; i++) {
        check_uses(&types[i], true);
    }
}

// Dead objects that wait for their end are linked. A link to an object at an address whose last bits are the number of
// a thread must not make that thread the owner of the dead.
enum { THREADS = 130, STEP = 64 };
static wane_type child_type = {.name = "child", .size = STEP - 16};
static const struct use *use_of_child;
static _Thread_local void *the_child;

static void use_child(void *self) {
    (void)self;
    use_of_child->fn(the_child);
}

static wane_type pair_type = {
    .name = "pair",
    .size = sizeof(struct node),
    .slots = WANE_SLOTS(struct node, left, right),
    .destroy = use_child,
};

static unsigned last_bits(const void *o) { return (unsigned)((uintptr_t)o - 16) & 0xFFFF; }

// An object whose header is at that place of its page, or NULL.
static void *child_at(unsigned bits) {
    static void *others[3000];
    size_t n = 0;
    void *found = NULL;
    for (; n < sizeof others / sizeof others[0] && found == NULL; n++) {
        others[n] = wane_new(&child_type);
        if (last_bits(others[n]) == bits) {
            found = others[n--];
        }
    }
    while (n-- > 0) {
        wane_release(others[n]);
    }
    return found;
}

static struct gate all_attached = GATE_CLOSED;
static _Atomic(size_t) attached, tried;

// The second of two children is linked to the first when their parent's `destroy` runs.
static void *die_with_children(void *unused) {
    (void)unused;
    struct node *p = wane_new(&pair_type);
    unsigned id = wane__header_of(p)->owner;
    atomic_fetch_add(&attached, 1);
    gate_wait(&all_attached);
    void *first = id % STEP == 0 && id != 0 ? child_at(id) : NULL;
    if (first != NULL) {
        atomic_fetch_add(&tried, 1);
        the_child = wane_new(&child_type);
        wane_slot_give(&p->left, first);
        wane_slot_give(&p->right, the_child);
        wane_release(p);
        wane_flush();
    }
    return NULL;
}

static void release_linked(void *unused) {
    (void)unused;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        threads[i] = api_thread(die_with_children, NULL);
        api_wait_count(&attached, i + 1);
    }
    gate_set(&all_attached, true);
    for (size_t i = 0; i < THREADS; i++) {
        api_join(threads[i]);
    }
    fprintf(stderr, "%zu tries of %s\n", atomic_load(&tried), use_of_child->name);
}

TEST(what_waits_for_its_end_is_nobodys) {
    if (api_fences()) {
        return; // no object has an owner
    }
    for (size_t i = 0; i < USES; i++) {
        use_of_child = &uses[i];
        if (use_of_child->fn == do_note) {
            continue; // `destroy` may note what is gone
        }
        api_dies_with(release_linked, NULL, "child", use_of_child->name, "is dead");
    }
}

// What waits for a grace period, because it had weak references, is linked as well: not through what a program can write to.
enum { WRITTEN = 50 };
TEST(written_to_while_it_waits) {
    static wane_type t = {.name = "written", .size = 48};
    void *dead[WRITTEN];
    wane_weak *w[WRITTEN];
    static char bystander[256] __attribute__((aligned(16)));
    memset(bystander, 'b', sizeof bystander);
    for (size_t i = 0; i < WRITTEN; i++) {
        dead[i] = wane_new(&t);
        w[i] = wane_weak_new(dead[i], NULL, NULL);
        CHECK(w[i] != NULL);
    }
    wane_guard_enter(); // nothing of it is freed
    for (size_t i = 0; i < WRITTEN; i++) {
        wane_release(dead[i]);
    }
    if (!TEST_ASAN) {
        for (size_t i = 0; i < WRITTEN; i++) {
            *(void **)dead[i] = &bystander[64];
        }
    }
    wane_guard_leave();
    CHECK_EQ_INT(wane_flush(), 0);
    for (size_t i = 0; i < WRITTEN; i++) {
        CHECK(wane_weak_get(w[i]) == NULL);
        wane_release(w[i]);
    }
    for (size_t i = 0; i < sizeof bystander; i++) {
        CHECK_EQ_INT(bystander[i], 'b');
    }
}
