"""The protocol: every message of both directions, by the text protocol of TWS (server versions 176 to 200).

How to read the tables: `gateway.layout`. Names are those of TWS's own documentation.
"""

from gateway.layout import table

OLDEST = 176
NEWEST = 200
"""From 201 on the protocol is another one: binary message numbers, then protobuf."""

_IDENTITY = "conId:int symbol secType lastTradeDate? strike:num=0 right?"

_GROUPS = {
    # what a client sends for a contract
    "contract": "conId:int symbol secType lastTradeDate strike:num right multiplier exchange primaryExchange "
    "currency localSymbol tradingClass",
    # what the server says of one: without its primary exchange
    "named": f"{_IDENTITY} multiplier? exchange currency localSymbol tradingClass",
    "named_at_home": f"{_IDENTITY} multiplier? primaryExchange currency localSymbol tradingClass",
    "margins": "initMarginBefore? maintMarginBefore? equityWithLoanBefore? initMarginChange? maintMarginChange? "
    "equityWithLoanChange? initMarginAfter? maintMarginAfter? equityWithLoanAfter? commission:num? minCommission? "
    "maxCommission? commissionCurrency?",
    "margins_outside": "marginCurrency? initMarginBeforeOutside? maintMarginBeforeOutside? "
    "equityWithLoanBeforeOutside? initMarginChangeOutside? maintMarginChangeOutside? equityWithLoanChangeOutside? "
    "initMarginAfterOutside? maintMarginAfterOutside? equityWithLoanAfterOutside? suggestedSize? rejectReason? "
    "orderAllocations:none=0",
    "pegs": "minTradeQty? minCompeteSize? competeAgainstBestOffset? midOffsetAtWhole? midOffsetAtHalf?",
    "scale": "scalePriceAdjustValue:num scalePriceAdjustInterval:int scaleProfitOffset:num scaleAutoReset:flag "
    "scaleInitPosition:int scaleInitFillQty:int scaleRandomPercent:flag",
}

REQUESTS = table(
    """
1 reqMktData
                | version:int reqId:int {contract}
 if secType=BAG | legs:none
                | deltaNeutral:flag
 if deltaNeutral| deltaNeutralConId:int deltaNeutralDelta:num deltaNeutralPrice:num
                | genericTicks snapshot:flag regulatorySnapshot:flag options
2 cancelMktData
                | version:int reqId:int
3 placeOrder
                | orderId:int {contract} secIdType secId
                | action totalQuantity:num orderType lmtPrice:num auxPrice:num tif ocaGroup account openClose
                | origin:int orderRef transmit:flag parentId:int blockOrder:flag sweepToFill:flag displaySize:int
                | triggerMethod:int outsideRth:flag hidden:flag
 if secType=BAG | legs:none orderLegs:none smartComboParams:none
                | sharesAllocation discretionaryAmt:num goodAfterTime goodTillDate faGroup faMethod faPercentage
 <177           | faProfile
                | modelCode shortSaleSlot:int designatedLocation exemptCode:int ocaType:int rule80A settlingFirm
                | allOrNone:flag minQty:int percentOffset:num eTradeOnly:flag firmQuoteOnly:flag nbboPriceCap:num
                | auctionStrategy:int startingPrice:num stockRefPrice:num delta:num stockRangeLower:num
                | stockRangeUpper:num overridePercentageConstraints:flag volatility:num volatilityType:int
                | deltaNeutralOrderType deltaNeutralAuxPrice:num
 if deltaNeutralOrderType | deltaNeutralConId:int deltaNeutralSettlingFirm deltaNeutralClearingAccount
 if deltaNeutralOrderType | deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale:flag
 if deltaNeutralOrderType | deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation
                | continuousUpdate:flag referencePriceType:int trailStopPrice:num trailingPercent:num
                | scaleInitLevelSize:int scaleSubsLevelSize:int scalePriceIncrement:num
 if scalePriceIncrement | {scale}
                | scaleTable activeStartTime activeStopTime hedgeType
 if hedgeType   | hedgeParam
                | optOutSmartRouting:flag clearingAccount clearingIntent notHeld:flag deltaNeutral:flag
 if deltaNeutral| deltaNeutralContract:int deltaNeutralDelta:num deltaNeutralPrice:num
                | algoStrategy
 if algoStrategy, each algoParams | tag value
                | algoId whatIf:flag orderMiscOptions solicited:flag randomizeSize:flag randomizePrice:flag
 if orderType=PEG BENCH | referenceContractId:int isPeggedChangeAmountDecrease:flag peggedChangeAmount:num
 if orderType=PEG BENCH | referenceChangeAmount:num referenceExchangeId
                | conditions:none
                | adjustedOrderType triggerPrice:num lmtPriceOffset:num adjustedStopPrice:num
                | adjustedStopLimitPrice:num adjustedTrailingAmount:num adjustableTrailingUnit:int extOperator
                | softDollarName softDollarValue cashQty:num mifid2DecisionMaker mifid2DecisionAlgo
                | mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge:flag isOmsContainer:flag
                | discretionaryUpToLimitPrice:flag usePriceMgmtAlgo:flag duration:int postToAts:int
                | autoCancelParent:flag advancedErrorOverride manualOrderTime
 if exchange=IBKRATS | minTradeQty:int
 if orderType=PEG BEST | minCompeteSize:int competeAgainstBestOffset:num
 if orderType=PEG MID | midOffsetAtWhole:num midOffsetAtHalf:num
 183+           | customerAccount
 184+           | professionalCustomer:flag
 187-189        | rfqText rfqNumber:int
 189+           | includeOvernight:flag
 192+           | manualOrderIndicator:int
 199+           | imbalanceOnly:flag
4 cancelOrder
 <192           | version:int
                | orderId:int manualCancelTime
 187-189        | rfqText rfqName rfqNumber:int
 192+           | extOperator manualOrderIndicator:int
5 reqOpenOrders
                | version:int
6 reqAccountUpdates
                | version:int subscribe:flag account
7 reqExecutions
                | version:int reqId:int clientId:int account time symbol secType exchange side
 200+           | lastNDays:int
 200+, each specificDates | date
8 reqIds
                | version:int count:int
9 reqContractDetails
                | version:int reqId:int {contract} includeExpired:flag secIdType secId issuerId
14 setServerLogLevel
                | version:int level:int
15 reqAutoOpenOrders
                | version:int autoBind:flag
16 reqAllOpenOrders
                | version:int
17 reqManagedAccts
                | version:int
20 reqHistoricalData
                | reqId:int {contract} includeExpired:flag endDateTime barSize duration useRTH:flag whatToShow
                | formatDate:int
 if secType=BAG | legs:none
                | keepUpToDate:flag options
25 cancelHistoricalData
                | version:int reqId:int
49 reqCurrentTime
                | version:int
50 reqRealTimeBars
                | version:int reqId:int {contract} barSize:int whatToShow useRTH:flag options
51 cancelRealTimeBars
                | version:int reqId:int
58 reqGlobalCancel
 <192           | version:int
 192+           | extOperator manualOrderIndicator:int
59 reqMarketDataType
                | version:int marketDataType:int
61 reqPositions
                | version:int
62 reqAccountSummary
                | version:int reqId:int group tags
63 cancelAccountSummary
                | version:int reqId:int
64 cancelPositions
                | version:int
71 startApi
                | version:int clientId:int optionalCapabilities
76 reqAccountUpdatesMulti
                | version:int reqId:int account modelCode ledgerAndNLV:flag
77 cancelAccountUpdatesMulti
                | version:int reqId:int
92 reqPnL
                | reqId:int account modelCode
93 cancelPnL
                | reqId:int
94 reqPnLSingle
                | reqId:int account modelCode conId:int
95 cancelPnLSingle
                | reqId:int
99 reqCompletedOrders
                | apiOnly:flag
""",
    _GROUPS,
)
"""What clients ask."""

ANSWERS = table(
    """
1 tickPrice
        | version=6 reqId:int tickType:int price:num size:num attributes:int=0
2 tickSize
        | version=6 reqId:int tickType:int size:num
3 orderStatus
        | orderId:int status filled:num remaining:num avgFillPrice:num permId:int parentId:int lastFillPrice:num
        | clientId:int whyHeld? mktCapPrice:num=0
4 error
 <194   | version=2
        | id:int code:int text advancedOrderRejectJson?
 194+   | time_ms:int
5 openOrder
        | orderId:int {named}
        | action totalQuantity:num orderType lmtPrice:num auxPrice:num tif ocaGroup account openClose? origin=0
        | orderRef clientId:int permId:int outsideRth:flag hidden=0 discretionaryAmt=0 goodAfterTime?
        | sharesAllocation? faGroup? faMethod? faPercentage?
 <177   | faProfile?
        | modelCode? goodTillDate? rule80A? percentOffset? settlingFirm? shortSaleSlot=0 designatedLocation?
        | exemptCode=-1 auctionStrategy=0 startingPrice? stockRefPrice? delta? stockRangeLower? stockRangeUpper?
        | displaySize=0 blockOrder=0 sweepToFill=0 allOrNone=0 minQty? ocaType:int eTradeOnly=0 firmQuoteOnly=0
        | nbboPriceCap? parentId:int triggerMethod=0 volatility? volatilityType? deltaNeutralOrderType=None
        | deltaNeutralAuxPrice?
 if deltaNeutralOrderType | deltaNeutralConId=0 deltaNeutralSettlingFirm? deltaNeutralClearingAccount?
 if deltaNeutralOrderType | deltaNeutralClearingIntent? deltaNeutralOpenClose=? deltaNeutralShortSale=0
 if deltaNeutralOrderType | deltaNeutralShortSaleSlot=0 deltaNeutralDesignatedLocation?
        | continuousUpdate=0 referencePriceType? trailStopPrice? trailingPercent? basisPoints? basisPointsType?
        | comboLegsDescrip? legs:none=0 orderLegs:none=0 smartComboParams:none=0
        | scaleInitLevelSize? scaleSubsLevelSize? scalePriceIncrement? hedgeType?
        | optOutSmartRouting=0 clearingAccount? clearingIntent=IB notHeld=0 deltaNeutral:none=0 algoStrategy?
        | solicited=0 whatIf:flag status {margins}
 195+   | {margins_outside}
        | warningText? randomizeSize=0 randomizePrice=0 conditions:none=0
        | adjustedOrderType=None triggerPrice? trailStopPriceAgain? lmtPriceOffset? adjustedStopPrice?
        | adjustedStopLimitPrice? adjustedTrailingAmount? adjustableTrailingUnit=0
        | softDollarName? softDollarValue? softDollarDisplayName? cashQty=0 dontUseAutoPriceForHedge=1
        | isOmsContainer=0 discretionaryUpToLimitPrice=0 usePriceMgmtAlgo=0 duration? postToAts? autoCancelParent=0
        | {pegs}
 183+   | customerAccount?
 184+   | professionalCustomer=0
 185+   | bondAccruedInterest?
 189+   | includeOvernight=0
 193+   | extOperator? manualOrderIndicator?
 198+   | submitter?
 199+   | imbalanceOnly=0
6 accountValue
        | version=2 key value currency account
7 portfolioValue
        | version=8 {named_at_home}
        | position:num marketPrice:num marketValue:num averageCost:num unrealizedPNL:num realizedPNL:num account
8 accountTime
        | version=1 time
9 nextValidId
        | version=1 orderId:int
10 contractDetails
        | reqId:int symbol secType lastTradeTimes?
 182+   | lastTradeDate?
        | strike=0 right? exchange currency localSymbol marketName tradingClass conId:int minTick:num multiplier?
        | orderTypes validExchanges priceMagnifier=1 underConId=0 longName primaryExchange contractMonth?
        | industry? category? subcategory? timeZoneId tradingHours liquidHours evRule? evMultiplier?
 each secIds | tag value
        | aggGroup=1 underSymbol? underSecType? marketRuleIds=26 realExpirationDate? stockType
        | minSize:num=1 sizeIncrement:num=1 suggestedSizeIncrement:num=100
 186+   | ineligibilityReasons:none=0
11 execDetails
        | reqId:int orderId:int {named}
        | execId time account exchange side shares:num price:num permId:int clientId:int liquidation=0
        | cumQty:num avgPrice:num orderRef evRule? evMultiplier? modelCode? lastLiquidity=2
 178+   | pendingPriceRevision=0
 198+   | submitter?
15 managedAccounts
        | version=1 accounts
17 historicalData
        | reqId:int
 <196   | start end
 each bars | date open:num high:num low:num close:num volume:num wap:num count:int
108 historicalDataEnd
        | reqId:int start end
45 tickGeneric
        | version=6 reqId:int tickType:int value:num
49 currentTime
        | version=1 time:int
50 realtimeBar
        | version=3 reqId:int time:int open:num high:num low:num close:num volume:num wap:num count:int
52 contractDetailsEnd
        | version=1 reqId:int
53 openOrderEnd
        | version=1
54 accountDownloadEnd
        | version=1 account
55 execDetailsEnd
        | version=1 reqId:int
57 tickSnapshotEnd
        | version=1 reqId:int
58 marketDataType
        | version=1 reqId:int marketDataType:int
59 commissionReport
        | version=1 execId commission:num currency realizedPNL:num yield? yieldRedemptionDate?
61 position
        | version=3 account {named} position:num avgCost:num
62 positionEnd
        | version=1
63 accountSummary
        | version=1 reqId:int account tag value currency
64 accountSummaryEnd
        | version=1 reqId:int
73 accountUpdateMulti
        | version=1 reqId:int account modelCode? key value currency
74 accountUpdateMultiEnd
        | version=1 reqId:int
81 tickReqParams
        | reqId:int minTick:num bboExchange snapshotPermissions:int
90 historicalDataUpdate
        | reqId:int count:int date open:num close:num high:num low:num wap:num volume:num
94 pnl
        | reqId:int dailyPnL:num unrealizedPnL:num realizedPnL:num
95 pnlSingle
        | reqId:int position:num dailyPnL:num unrealizedPnL:num realizedPnL:num value:num
101 completedOrder
        | {named}
        | action totalQuantity:num orderType lmtPrice:num auxPrice:num tif ocaGroup account openClose? origin=0
        | orderRef permId:int outsideRth:flag hidden=0 discretionaryAmt=0 goodAfterTime?
        | faGroup? faMethod? faPercentage?
 <177   | faProfile?
        | modelCode? goodTillDate? rule80A? percentOffset? settlingFirm? shortSaleSlot=0 designatedLocation?
        | exemptCode=-1 startingPrice? stockRefPrice? delta? stockRangeLower? stockRangeUpper? displaySize=0
        | sweepToFill=0 allOrNone=0 minQty? ocaType:int triggerMethod=0 volatility? volatilityType?
        | deltaNeutralOrderType=None deltaNeutralAuxPrice?
 if deltaNeutralOrderType | deltaNeutralConId=0 deltaNeutralShortSale=0 deltaNeutralShortSaleSlot=0
 if deltaNeutralOrderType | deltaNeutralDesignatedLocation?
        | continuousUpdate=0 referencePriceType? trailStopPrice? trailingPercent? comboLegsDescrip?
        | legs:none=0 orderLegs:none=0 smartComboParams:none=0
        | scaleInitLevelSize? scaleSubsLevelSize? scalePriceIncrement? hedgeType? clearingAccount?
        | clearingIntent=IB notHeld=0 deltaNeutral:none=0 algoStrategy? solicited=0 status randomizeSize=0
        | randomizePrice=0 conditions:none=0 trailStopPriceAgain? lmtPriceOffset? cashQty=0
        | dontUseAutoPriceForHedge=1 isOmsContainer=0 autoCancelDate? filledQuantity:num refFuturesConId?
        | autoCancelParent=0 shareholder? imbalanceOnly=0 routeMarketableToBbo=0 parentPermId:int?
        | completedTime completedStatus {pegs}
 183+   | customerAccount?
 184+   | professionalCustomer=0
 198+   | submitter?
102 completedOrdersEnd
        |
""",
    _GROUPS,
)
"""What the server says."""

REQUESTS_BY_NUMBER = {layout.number: layout for layout in REQUESTS.values()}
ANSWERS_BY_NUMBER = {layout.number: layout for layout in ANSWERS.values()}
