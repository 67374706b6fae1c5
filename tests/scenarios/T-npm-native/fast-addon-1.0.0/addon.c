#include <node_api.h>

static napi_value init(napi_env env, napi_value exports)
{
	return exports;
}

NAPI_MODULE(addon, init)
