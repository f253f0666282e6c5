# The neutral folder's schemas become part of the program, which checks files against them.
bevgrad_embed_texts(bevgrad_data internal/neutral/schema_texts.h "kSequenceSchema=sequence.schema.json"
  "kMapSchema=map.schema.json")
