/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/listen_address.h"

/* 1 to 65535; 0 if it is none. */
static in_port_t parse_port(const char *text)
{
    char *end;
    unsigned long n = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;

    return n > 0 && n <= UINT16_MAX && *end == '\0' ? (in_port_t)n : 0;
}

int azm_listen_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len, struct azm_error *err)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2] = "";
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    in_port_t port = colon ? parse_port(colon + 1) : 0;
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (port == 0 || len == 0 || len >= sizeof host)
        return azm_error_set(err, EINVAL, "'%s' is not an address and a port such as 127.0.0.1:9469 or [::1]:9469",
                             text);
    memcpy(host, text, len);
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1 && ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
        v4.sin_port = htons(port);
        memcpy(ret, &v4, *ret_len = sizeof v4);
        return 0;
    }
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &v6.sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
            v6.sin6_port = htons(port);
            memcpy(ret, &v6, *ret_len = sizeof v6);
            return 0;
        }
    }
    return azm_error_set(err, EINVAL,
                         "'%s' is not an address of this host alone, such as 127.0.0.1:9469 or [::1]:9469; nobody who "
                         "asks is asked who it is",
                         text);
}
