"""A page in a browser, with everything on it that went wrong."""


class Watched:
    """Open a page; `problems` lists warnings, exceptions, and requests to other machines."""

    def __init__(self, browser, url, width=1280, scheme="light", **options):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda e: self.problems.append(f"exception: {e}"))
        self.page.on("requestfailed", lambda r: self.problems.append(f"failed: {r.url}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.page.on("dialog", lambda d: self.problems.append(f"dialog: {d.message}"))
        self.open(url)

    def open(self, url):
        """Go to another page."""
        self.page.goto(url)
        # The first page only leads to another.
        self.page.wait_for_function(
            """document.readyState === "complete"
            && !document.querySelector("meta[http-equiv='Refresh' i]")"""
        )
        self.page.wait_for_function("!window.MathJax?.startup || window.MathJax.startup.promise")
        self.page.evaluate("window.MathJax?.startup?.promise")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(f"console: {message.text}")

    def _request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
            self.problems.append(f"request: {request.url}")

    def _response(self, response):
        if response.status >= 400:
            self.problems.append(f"status {response.status}: {response.url}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
