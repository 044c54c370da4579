/* SPDX-FileCopyrightText: 2026 The libwane authors */
/* SPDX-License-Identifier: MIT */
/* api/api.h: what the files of this folder tell each other. */
#ifndef WANE_API_API_H
#define WANE_API_API_H

#include <stdbool.h>

/* Whether the first thread was attached: some options can no longer be changed. */
bool wane__started(void);

/* Reads the environment at its first call. */
void wane__options_read_environment(void);

/* After r's thread worked: the event descriptor, if there is one, is made readable if there is more to do. */
struct wane__record;
void wane__loop_settle(void);

/* Logs what is alive, by type. */
void wane__report_leaks(void);

#endif
