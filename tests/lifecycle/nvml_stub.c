/* NVIDIA's management library as far as the preflight asks it, with GPUs from the environment:
 *
 *   STUB_FREE   free bytes of each GPU, "8000,24000"
 *   STUB_FAILS  a function and the code it answers with, "nvmlShutdown=999"; memory of the second
 *               GPU alone is "nvmlDeviceGetMemoryInfo#1=15"
 *
 * As the real one does, it answers 1, uninitialized, outside of nvmlInit and nvmlShutdown.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { unsigned long long total, free, used; } memory_t;

static int users = 0;

static int fails(const char *function) {
    const char *given = getenv("STUB_FAILS");
    size_t length = strlen(function);
    if (given && !strncmp(given, function, length) && given[length] == '=')
        return atoi(given + length + 1);
    return 0;
}

static int asked(const char *function) {
    int code = fails(function);
    return code ? code : users ? 0 : 1;
}

static int gpus(unsigned long long *free_bytes) {
    const char *given = getenv("STUB_FREE");
    int count = 0;
    while (given && *given) {
        free_bytes[count++] = strtoull(given, (char **)&given, 10);
        if (*given == ',') given++;
    }
    return count;
}

int nvmlInitWithFlags(unsigned flags) {
    int code = fails("nvmlInitWithFlags");
    if (!code) users++;
    return code;
}

int nvmlShutdown(void) {
    int code = asked("nvmlShutdown");
    if (!code) users--;
    return code;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    unsigned long long free_bytes[16];
    *count = gpus(free_bytes);
    return asked("nvmlDeviceGetCount_v2");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(size_t)(index + 1);
    return asked("nvmlDeviceGetHandleByIndex_v2");
}

int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    unsigned long long free_bytes[16];
    int index = (int)(size_t)device - 1;
    char function[40];
    gpus(free_bytes);
    memory->free = free_bytes[index];
    memory->used = 1000;
    memory->total = memory->free + memory->used;
    snprintf(function, sizeof function, "nvmlDeviceGetMemoryInfo#%d", index);
    int code = fails(function);
    return code ? code : asked("nvmlDeviceGetMemoryInfo");
}

const char *nvmlErrorString(int code) {
    return "an error of the stub";
}
