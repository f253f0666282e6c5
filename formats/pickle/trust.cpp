#include "formats/pickle/trust.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "formats/pickle/numbers.h"
#include "formats/pickle/opcodes.h"
#include "formats/torch/rebuild.h"
#include "tensor/error.h"

namespace bevgrad {

namespace {

using Names = std::unordered_set<std::string_view>;

// Plain data whatever its arguments.
const Names kKnown{"collections.OrderedDict",
                   "collections.defaultdict",
                   "collections.Counter",
                   "collections.deque",
                   "collections.ChainMap",
                   "collections.UserDict",
                   "collections.UserList",
                   "datetime.datetime",
                   "datetime.date",
                   "datetime.time",
                   "datetime.timedelta",
                   "datetime.timezone",
                   "decimal.Decimal",
                   "fractions.Fraction",
                   "uuid.UUID",
                   "uuid.SafeUUID",
                   "pathlib.Path",
                   "pathlib.PosixPath",
                   "pathlib.WindowsPath",
                   "pathlib.PurePath",
                   "pathlib.PurePosixPath",
                   "pathlib.PureWindowsPath",
                   "pathlib._local.PosixPath",
                   "pathlib._local.WindowsPath",
                   "pathlib._local.Path",
                   "argparse.Namespace",
                   "types.SimpleNamespace",
                   "types.MappingProxyType",
                   "enum.Enum",
                   "enum.IntEnum",
                   "re._compile",
                   "re.compile",
                   "random.Random",
                   "logging.Logger",
                   "logging.getLogger",
                   "functools.partial",
                   "copyreg._reconstructor",
                   "copy_reg._reconstructor",
                   "copyreg.__newobj__",
                   "copyreg.__newobj_ex__",
                   "_codecs.encode",
                   "array.array",
                   "array._array_reconstructor",
                   "typing.Any",
                   "typing.Union",
                   "typing.Optional",
                   "typing.Dict",
                   "typing.List",
                   "dataclasses.MISSING",
                   "io.BytesIO",
                   "_io.BytesIO",
                   "time.struct_time",
                   "weakref.WeakValueDictionary",
                   "string.Template",
                   "numbers.Number",
                   "ipaddress.IPv4Address",
                   "builtins.set",
                   "builtins.frozenset",
                   "builtins.dict",
                   "builtins.list",
                   "builtins.tuple",
                   "builtins.int",
                   "builtins.float",
                   "builtins.bool",
                   "builtins.str",
                   "builtins.bytes",
                   "builtins.bytearray",
                   "builtins.complex",
                   "builtins.object",
                   "builtins.slice",
                   "builtins.range",
                   "builtins.NoneType",
                   "builtins.Ellipsis",
                   "builtins.NotImplemented",
                   "__builtin__.set",
                   "__builtin__.frozenset",
                   "__builtin__.dict",
                   "__builtin__.list",
                   "__builtin__.tuple",
                   "__builtin__.int",
                   "__builtin__.long",
                   "__builtin__.float",
                   "__builtin__.bool",
                   "__builtin__.str",
                   "__builtin__.unicode",
                   "__builtin__.bytes",
                   "__builtin__.bytearray",
                   "__builtin__.complex",
                   "__builtin__.object",
                   "__builtin__.slice",
                   "__builtin__.xrange",
                   "__builtin__.range",
                   "numpy.random.__RandomState_ctor",
                   "numpy.dtype",
                   "numpy.ndarray",
                   "numpy.core.multiarray._reconstruct",
                   "numpy._core.multiarray._reconstruct",
                   "numpy.core.multiarray.scalar",
                   "numpy._core.multiarray.scalar",
                   "numpy.core.numeric._frombuffer",
                   "numpy._core.numeric._frombuffer",
                   "numpy.ma.core._mareconstruct",
                   "numpy.random._pickle.__randomstate_ctor",
                   "numpy.random._pickle.__generator_ctor",
                   "numpy.random._pickle.__bit_generator_ctor",
                   "torch.Size",
                   "torch.device",
                   "torch.Tensor",
                   "torch.nn.Parameter",
                   "torch.nn.parameter.Parameter",
                   "torch.nn.parameter.Buffer",
                   "torch._C._nn.gelu",
                   "torch.Generator",
                   "torch._utils._rebuild_tensor",
                   "torch._utils._rebuild_tensor_v2",
                   "torch._utils._rebuild_tensor_v3",
                   "torch._utils._rebuild_parameter",
                   "torch._utils._rebuild_parameter_with_state",
                   "torch._utils._rebuild_sparse_tensor",
                   "torch._utils._rebuild_sparse_csr_tensor",
                   "torch._utils._rebuild_nested_tensor",
                   "torch._utils._rebuild_qtensor",
                   "torch._utils._rebuild_meta_tensor_no_storage",
                   "torch._utils._rebuild_device_tensor_from_numpy",
                   "torch._utils._rebuild_device_tensor_from_cpu_tensor",
                   "torch._utils._rebuild_wrapper_subclass",
                   "torch._utils._rebuild_xla_tensor",
                   "torch._tensor._rebuild_from_type",
                   "torch._tensor._rebuild_from_type_v2",
                   "torch.tensor._rebuild_from_type",
                   "torch.serialization._get_layout",
                   "torch.strided",
                   "torch.sparse_coo",
                   "torch.sparse_csr",
                   "torch.channels_last",
                   "torch.contiguous_format",
                   "torch.preserve_format",
                   "torch.channels_last_3d",
                   "torch.per_tensor_affine",
                   "torch.per_channel_affine",
                   "torch.per_tensor_symmetric",
                   "torch.per_channel_symmetric",
                   "torch.quint8",
                   "torch.qint8",
                   "torch.qint32",
                   "torch.quint4x2",
                   "torch.quint2x4"};

// Top-level modules of Python's standard library, and of Python 2's: whatever is not listed above acts.
const Names kStandardLibrary{
    "StringIO",
    "__builtin__",
    "_abc",
    "_aix_support",
    "_bootsubprocess",
    "_codecs",
    "_collections",
    "_ctypes",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "_functools",
    "_imp",
    "_io",
    "_multiprocessing",
    "_operator",
    "_osx_support",
    "_pickle",
    "_posixshmem",
    "_posixsubprocess",
    "_py_abc",
    "_pyrepl",
    "_sitebuiltins",
    "_socket",
    "_sqlite3",
    "_ssl",
    "_thread",
    "_tkinter",
    "_warnings",
    "_weakref",
    "_winapi",
    "abc",
    "aifc",
    "antigravity",
    "argparse",
    "array",
    "ast",
    "asynchat",
    "asyncio",
    "asyncore",
    "atexit",
    "audioop",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cPickle",
    "cProfile",
    "calendar",
    "cgi",
    "cgitb",
    "chunk",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "commands",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copy_reg",
    "copyreg",
    "crypt",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "distutils",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "exceptions",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "httplib",
    "idlelib",
    "imaplib",
    "imghdr",
    "imp",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "lib2to3",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "mailcap",
    "marshal",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "msilib",
    "msvcrt",
    "multiprocessing",
    "netrc",
    "nis",
    "nntplib",
    "nt",
    "ntpath",
    "nturl2path",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "ossaudiodev",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pipes",
    "pkgutil",
    "platform",
    "plistlib",
    "popen2",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "pwd",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "smtpd",
    "smtplib",
    "sndhdr",
    "socket",
    "socketserver",
    "spwd",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "sunau",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "telnetlib",
    "tempfile",
    "termios",
    "textwrap",
    "this",
    "threading",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "turtledemo",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "urllib2",
    "uu",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xdrlib",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
};

// Packages whose purpose is to rebuild or run code.
const Names kCodeMakers{"cloudpickle", "dill",     "joblib",  "pip",   "setuptools", "pkg_resources", "IPython",
                        "ipykernel",   "pexpect",  "nltk",    "fire",  "invoke",     "paramiko",      "fabric",
                        "aiohttp",     "requests", "urllib3", "flask", "jinja2",     "twisted",       "pyperclip",
                        "win32api",    "win32com", "shelve",  "cffi",  "numba",      "keyring",       "asyncssh"};

std::string_view first_part(std::string_view name) {
  return name.substr(0, name.find('.'));
}
std::string_view last_part(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

/// Functions of PyTorch that compute values and nothing else, as hyper-parameters name them.
bool is_plain_function(std::string_view name) {
  for (const std::string_view module : {"torch.nn.functional.", "torch.nn.init.", "torch._C._nn."}) {
    if (name.starts_with(module) && name.find('.', module.size()) == std::string_view::npos) return true;
  }
  static const Names kFunctions{"torch.relu", "torch.tanh", "torch.sigmoid", "torch.softmax", "torch.sin",
                                "torch.cos",  "torch.exp",  "torch.erf",     "torch.selu",    "torch.abs"};
  return kFunctions.contains(name);
}

/// numpy.float32, numpy.int64, numpy.bool_, ...: scalar types.
bool is_numpy_scalar(std::string_view name) {
  if (!name.starts_with("numpy.")) return false;
  name.remove_prefix(6);
  static const Names kScalars{"bool",      "bool_",      "bytes_",   "str_",       "object_",    "void",
                              "half",      "single",     "double",   "longdouble", "byte",       "ubyte",
                              "short",     "ushort",     "intc",     "uintc",      "int_",       "uint",
                              "long",      "ulong",      "longlong", "ulonglong",  "datetime64", "timedelta64",
                              "complex64", "complex128", "float_",   "float96",    "float128"};
  return kScalars.contains(name) || stored_dtype_named(name).has_value();
}

bool is_class_name(std::string_view name) {
  const std::string_view last = last_part(name);
  const size_t letter = last.find_first_not_of('_');
  return letter != std::string_view::npos && std::isupper(static_cast<unsigned char>(last[letter])) != 0;
}

/// A path that goes through another module ("torch.serialization.os.system") or a special attribute.
bool leads_elsewhere(std::string_view name) {
  static const Names kDoors{"os",
                            "sys",
                            "subprocess",
                            "builtins",
                            "__builtins__",
                            "posix",
                            "nt",
                            "shutil",
                            "socket",
                            "importlib",
                            "__globals__",
                            "__class__",
                            "__dict__",
                            "__init__",
                            "__subclasses__",
                            "__import__",
                            "__getattribute__",
                            "__reduce__",
                            "__reduce_ex__",
                            "ctypes",
                            "pickle",
                            "runpy",
                            "__mro__",
                            "__base__",
                            "__code__",
                            "__call__"};
  name.remove_prefix(std::min(name.size(), first_part(name).size() + 1));
  while (!name.empty()) {
    if (kDoors.contains(first_part(name))) return true;
    name.remove_prefix(std::min(name.size(), first_part(name).size() + 1));
  }
  return false;
}

}  // namespace

std::string_view name(Trust trust) {
  switch (trust) {
    case Trust::Known:
      return "plain data";
    case Trust::Inert:
      return "another library";
    case Trust::Harmful:
      return "HARMFUL";
  }
  return "unknown";
}

Trust judge_global(std::string_view global) {
  if (kKnown.contains(global) || storage_dtype(global) || dtype_global(global)) return Trust::Known;
  if (is_plain_function(global) || is_numpy_scalar(global)) return Trust::Known;
  if (leads_elsewhere(global)) return Trust::Harmful;
  const std::string_view package = first_part(global);
  if (kStandardLibrary.contains(package) || kCodeMakers.contains(package)) return Trust::Harmful;
  // Of PyTorch and NumPy the classes are data; their functions load, compile and run.
  if (package == "torch" || package == "numpy") return is_class_name(global) ? Trust::Inert : Trust::Harmful;
  return Trust::Inert;
}

std::vector<GlobalUse> list_globals(const Document& document) {
  std::vector<GlobalUse> out;
  std::unordered_map<std::string, size_t> index;
  for (NodeId id = 0; id < document.size(); ++id) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Global) continue;
    const auto [at, added] = index.try_emplace(node.text, out.size());
    if (added) out.push_back({node.text, judge_global(node.text), node.position, 0, 0});
    ++out[at->second].mentions;
  }
  for (const auto& [callable, count] : document.calls) {
    const auto found = index.find(document.node(callable).text);
    if (found != index.end()) out[found->second].calls += count;
  }
  return out;
}

void refuse_harmful(const Document& document) {
  for (NodeId id = 0; id < document.size(); ++id) {
    const Node& node = document.node(id);
    if (node.kind != ValueKind::Global || judge_global(node.text) != Trust::Harmful) continue;
    fail("{}: pickle, byte {}: it would use {}; refused (nothing was run; inspect --globals lists all it names)",
         document.source(), node.position, printable(node.text, 120));
  }
}

}  // namespace bevgrad
