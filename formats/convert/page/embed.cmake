# The page of `inspect --html`: its style and script become part of the program.
bevgrad_embed_texts(bevgrad_formats convert/internal/inspect_page.h "kInspectStyle=inspect.css" "kInspectScript=inspect.js")
