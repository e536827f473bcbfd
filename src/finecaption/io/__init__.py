"""What comes in and goes out, without torch.

Images, masks and geometry as checked arrays and plain numbers; files that appear as a whole
(`atomic`), append-only logs (`record_log`) and pages (`html`).
"""
