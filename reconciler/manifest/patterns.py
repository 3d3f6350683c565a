r"""The patterns of names, times and URLs, read alike by pydantic, by JSON Schema and by editors. It decides nothing.

`(?!\n)$` instead of `$`: in Python, unlike in ECMA 262, `$` also stands before a last line break.
"""

_END = r"(?!\n)$"
_KEY = r"(?![0-9a-fA-F]{24,}" + _END + ")"

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" + _END
FIELD = r"^(?!.*--)(?! )[^\x00-\x1f\x7f]{1,100}(?<! )" + _END
TITLE = r"^(?! )[^\x00-\x1f\x7f]{1,200}(?<! )" + _END
VARIABLE = "^" + _KEY + r"[A-Za-z_][A-Za-z0-9_]{0,199}" + _END
NOT_A_KEY = "^" + _KEY + r"[^\x00-\x1f\x7f]+" + _END
NOT_A_URL = r"^(?!.*:/)[^\x00-\x1f\x7f]+" + _END
SECRET = "^" + _KEY + r"[0-9A-Za-z-]{1,127}" + _END
HTTP = r"^https?://[!-~]+" + _END
HTTPS = r"^https://[!-~]+" + _END
ENTITY = r"^[A-Za-z_][A-Za-z0-9_]{0,127}" + _END
GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" + _END
TENANT = r"^[0-9A-Za-z][0-9A-Za-z.-]{0,252}" + _END
SPARK = r"^(?!.*[;@?#])(sc://|spark://|k8s://|mesos://|yarn|local)[!-~]*" + _END
HEADER = r"^(?!grpc-)(?!.*-bin(?!\n)$)[a-z0-9][a-z0-9._-]{0,99}" + _END
SPARK_HEADER = "^" + _KEY + r"(?!.*(dapi|eyJ|[Bb]earer |[Bb]asic ))[!-~]([ -~]{0,498}[!-~])?" + _END
SPARK_TABLE = r"^[^\x00-\x20\x7f`;]{1,300}" + _END
DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])" + _END
TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]" + _END
SHARE = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,6})?)%" + _END
PERCENTAGE = r"^[0-9]{1,4}(\.[0-9]{1,6})?%" + _END
_PRECISION = r"([1-9]|[12][0-9]|3[0-8])"
_SCALE = r"([0-9]|[12][0-9]|3[0-8])"
ENGINE_TYPE = rf"^(text|integer|bigint|double|boolean|date|timestamp|decimal\({_PRECISION},{_SCALE}\))" + _END
