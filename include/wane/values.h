/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/*
 * wane/values.h: strings, integers, containers and iterators on libwane: a library of its own, libwane-values.
 *
 * All of them are objects: retain, release, slots, weak references, WANE_AUTO and the collector of cycles work on them.
 *
 * What the calls promise, in the words of wane.h, whose notes (1) and (2) are meant. "Short lock": waits at most for writers
 * of containers with the same lock, each of which is in a short piece of the library. User code is what runs when an object
 * dies, and what the caller handed in. None of them may be called in a signal handler.
 *
 *   call                             waits      user code  in a guard  in a callback
 *   wane_str_new, _from, _format,
 *     _concat, _slice                (1)        no         yes         yes
 *   wane_intern, wane_intern_str     short lock, (1)  yes (2)  yes     yes
 *   wane_intern_count                wait-free  no         yes         yes
 *   other wane_str_ calls            wait-free  no         yes         yes
 *   wane_int_new                     (1)        no         yes         yes
 *   wane_int_value                   wait-free  no         yes         yes
 *   wane_array_new, and calls that
 *     make an array longer           (1)        no         yes         yes
 *   other wane_array_ calls          wait-free  no         yes         yes
 *   wane_list_len, _get, _peek,
 *     wane_deque_len, _get           lock-free  no         yes         yes
 *   wane_list_append, _insert, _set,
 *     _pop, _clear, and all that
 *     changes a deque                short lock, (1)  yes (2)  yes     yes
 *   wane_list_extend, _sort          short lock, (1)  yes  no          yes
 *   wane_list_new, wane_deque_new    (1)        no         yes         yes
 *   wane_list_iter, wane_deque_iter  short lock, (1)  no   yes         yes
 *   wane_iter_next                   as what it is made of; over a list or deque lock-free
 *   wane_iter_new, _map, _filter,
 *     _take, _chain                  (1)        yes (2)    yes         yes
 *   wane_range, wane_lines           (1)        no         yes         yes
 */
#ifndef WANE_VALUES_H
#define WANE_VALUES_H

#include <wane.h>
#include <wane/array.h>
#include <wane/deque.h>
#include <wane/int.h>
#include <wane/iter.h>
#include <wane/list.h>
#include <wane/str.h>

#endif
