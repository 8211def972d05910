/* The lower limit: a loop of send() over all connections.
 *
 * It prints "listens PORT". Each line of its standard input is an event, which it puts into one WebSocket frame and
 * sends to all clients. There is no handshake, nothing is read from clients, and a client that is slow holds up all
 * others. It ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 100000, EVENT_BYTES_MAX = 65535, HEAD_BYTES_MAX = 4, BACKLOG = 4096 };

static int clients[CLIENTS_MAX];
static int count;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void send_frame(const unsigned char *payload, size_t size) {
    static unsigned char frame[HEAD_BYTES_MAX + EVENT_BYTES_MAX];
    size_t head = 2;
    frame[0] = 0x81;
    if (size < 126) {
        frame[1] = size;
    } else {
        frame[1] = 126;
        frame[2] = size >> 8;
        frame[3] = size & 255;
        head = 4;
    }
    memcpy(frame + head, payload, size);
    size += head;
    for (int i = 0; i < count;) {
        size_t sent = 0;
        ssize_t now = 0;
        while (sent < size && (now = send(clients[i], frame + sent, size - sent, 0)) > 0) sent += now;
        if (now > 0) {
            i++;
        } else { /* the client has gone */
            close(clients[i]);
            clients[i] = clients[--count];
        }
    }
}

static void accept_all(int listener) {
    int client, on = 1;
    while (count < CLIENTS_MAX && (client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        clients[count++] = client;
    }
    if (errno != EAGAIN && errno != ECONNABORTED) fail("accept");
}

int main(void) {
    static char input[2 * EVENT_BYTES_MAX];
    size_t held = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    signal(SIGPIPE, SIG_IGN);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listens %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        if (poll(ready, 2, -1) < 0) fail("poll");
        if (ready[1].revents) accept_all(listener);
        if (!ready[0].revents) continue;
        ssize_t size = read(STDIN_FILENO, input + held, sizeof input - held);
        if (size <= 0) return size < 0;
        held += size;
        char *line = input, *end;
        while ((end = memchr(line, '\n', held - (line - input)))) {
            if (end - line > EVENT_BYTES_MAX) return 1;
            send_frame((unsigned char *)line, end - line);
            line = end + 1;
        }
        held -= line - input;
        memmove(input, line, held);
        if (held == sizeof input) return 1;
    }
}
