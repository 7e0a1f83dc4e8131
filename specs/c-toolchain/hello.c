/* Greets whom it is told to, or the world. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *greeting(const char *name)
{
    size_t size = strlen(name) + sizeof "hello, ";
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "hello, %s", name);
    return text;
}

int main(int argc, char **argv)
{
    char *text = greeting(argc > 1 ? argv[1] : "world");
    if (text == NULL)
        return EXIT_FAILURE;
    puts(text);
    free(text);
    return EXIT_SUCCESS;
}
