"""Which gradient is right, and what each framework returns.

A `question` says what is asked of a matrix, `checking` has every framework answer it, and holds
each gradient against theory, and `reasons` says why the matrix is difficult, or is not.
"""

from spectralgrad.verdict.checking import FLAGGED as FLAGGED
from spectralgrad.verdict.checking import VERDICTS as VERDICTS
from spectralgrad.verdict.checking import Answer as Answer
from spectralgrad.verdict.checking import Judgement as Judgement
from spectralgrad.verdict.checking import Verdict as Verdict
from spectralgrad.verdict.checking import answer as answer
from spectralgrad.verdict.checking import check as check
from spectralgrad.verdict.checking import check_stack as check_stack
from spectralgrad.verdict.checking import digits as digits
from spectralgrad.verdict.checking import judge as judge
from spectralgrad.verdict.question import Question as Question
