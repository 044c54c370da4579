// SPDX-FileCopyrightText: 2026 The libwane authors
// SPDX-License-Identifier: MIT
//
// Whether a compiler comes with a sanitizer's runtime is asked with this.

int main(void) { return 0; }
