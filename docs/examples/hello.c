/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <wane.h>

struct page { char text[32]; };
static wane_type page_type = {.name = "page", .size = sizeof(struct page)};
static wane_slot front; /* any thread may read and replace it */

int main(void) {
    struct page *p = wane_new(&page_type); /* one reference, ours */
    snprintf(p->text, sizeof p->text, "hello");
    wane_slot_give(&front, p); /* now the slot's */

    wane_guard_enter(); /* read without counting, */
    struct page *seen = wane_slot_peek(&front);
    puts(seen->text);
    wane_guard_leave(); /* whoever replaces it meanwhile */

    struct page *mine = wane_slot_load(&front); /* or with a reference of our own, */
    wane_slot_clear(&front);
    puts(mine->text); /* which outlives the slot's */
    wane_release(mine);
    return wane_flush();
}
/* prints:
hello
hello
*/
