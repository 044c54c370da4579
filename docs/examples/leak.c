/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* Why an object is alive, and the report of what is alive at the end. */
#include <stdio.h>
#include <wane.h>

struct page {
    wane_slot previous;
    int number;
};

struct book {
    wane_slot last_page;
};

static wane_type page_type = {
    .name = "page", .size = sizeof(struct page), .slots = WANE_SLOTS(struct page, previous)};
static wane_type book_type = {
    .name = "book", .size = sizeof(struct book), .slots = WANE_SLOTS(struct book, last_page)};

static void add_page(struct book *b, int number) {
    struct page *p = wane_new(&page_type);
    p->number = number;
    wane_slot_give(&p->previous, wane_slot_load(&b->last_page));
    wane_slot_give(&b->last_page, p);
}

static struct page *find_page(struct book *b, int number) {
    wane_guard_enter();
    struct page *p = wane_slot_peek(&b->last_page);
    while (p != NULL && p->number != number)
        p = wane_slot_peek(&p->previous);
    wane_retain(p);
    wane_guard_leave();
    return p;
}

static void to_stdout(int level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    printf("%s\n", line);
}

int main(void) {
    wane_set_log(to_stdout, NULL);
    struct book *b = wane_new(&book_type);
    for (int i = 1; i <= 4; i++)
        add_page(b, i);
    struct page *p = find_page(b, 3);
    wane_gc_explain(p, stderr); /* who keeps it? */
    wane_release(p);

    wane_option_set("leak_report", 1);
    wane_shutdown(); /* b was forgotten */
    return 0;
}
/* prints:
leak: 4 objects of type "page" are alive, 0 of them on cycles, 0 held from outside; 128 bytes
leak:   one is held by an object of type "book", of which 1 units are held from outside
leak:     slot `last_page` -> object of type "page"
leak: 1 objects of type "book" are alive, 0 of them on cycles, 1 held from outside; 32 bytes
*/
