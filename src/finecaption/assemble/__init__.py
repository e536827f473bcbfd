"""From published checkpoints to a FineCaption at stage 0.

`presets` names the parts; `sources` finds them; `checkpoints` reads their tensors; `names` knows
what other projects call them; `infer` reads configurations off shapes; `text` sees to tokenizer and
template; `plan` puts all together on paper; `write` writes it; `build` runs these.
"""

from __future__ import annotations
